"""For authors of policies: run one as the gateway does, with its executor, and look at what comes out.

Plain functions that end with the transaction. What a policy raises on purpose, and what its failure becomes, is raised.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from app.messages import Batch, Choice, InputMessage, Message, ModelResponse, Request, TextPart, text_chunk, text_size
from app.pipeline.admission import PipelineBreakers
from app.pipeline.client_formatter import ClientFormatter
from app.pipeline.executor import PolicyExecutor
from app.pipeline.orchestrator import PolicyOrchestrator
from app.pipeline.queues import ByteBudget, StageQueue
from app.policies.base import Policy
from app.policies.context import PolicyContext
from app.policies.loading import LoadedPolicy, OnError, loaded
from app.settings import PipelineSettings, QueueBreakerSettings
from telemetry.context import ObservabilityContext
from telemetry.setup import setup

T = TypeVar("T")
Way = Callable[[LoadedPolicy, PolicyContext, ObservabilityContext], Coroutine[Any, Any, T]]


def run_policy(
    policy: Policy,
    chunks: Iterable[ModelResponse],
    *,
    request: Request | None = None,
    settings: PipelineSettings | None = None,
    on_error: OnError = "fail_closed",
) -> list[ModelResponse]:
    """The chunks that a client would be sent, for those that a provider sends."""
    settings = settings or PipelineSettings()

    async def stream(it: LoadedPolicy, ctx: PolicyContext, obs: ObservabilityContext) -> list[ModelResponse]:
        queue: StageQueue[ModelResponse] = StageQueue(
            obs.queue("policy_out", settings.queue_items, settings.queue_bytes),
            size_of=text_size,
            put_timeout=settings.put_timeout,
            budget=ByteBudget(settings.total_queue_bytes),
            ledger=obs.ledger,
        )
        sent: list[ModelResponse] = []
        # The executor itself never raises: what ended the stream comes out of the queue, after the last chunk.
        await asyncio.gather(
            PolicyExecutor([it], settings).process(_sending(chunks), queue, ctx, obs), _read(queue, sent)
        )
        return sent

    return _run(policy, request, on_error, stream)


def stream_through(policy: Policy, pieces: Iterable[str], *, request: Request | None = None) -> list[str]:
    """The pieces of text that a client would be sent, for those that a model says."""
    chunks = [*(text_chunk(piece, ModelResponse()) for piece in pieces), finish_chunk()]
    return [
        choice.delta.content
        for chunk in run_policy(policy, chunks, request=request)
        for choice in chunk.choices
        if choice.delta is not None and choice.delta.content
    ]


def answer_through(policy: Policy, answer: str | Message, *, request: Request | None = None) -> Message:
    """What becomes of an answer that is not streamed."""
    message = Message(role="assistant", content=answer) if isinstance(answer, str) else answer
    response = ModelResponse(choices=(Choice(message=message, finish_reason="stop"),))

    async def whole(it: LoadedPolicy, ctx: PolicyContext, obs: ObservabilityContext) -> ModelResponse:
        return await _orchestrator(it).process_full_response(response, ctx, obs)

    choices = _run(policy, request, "fail_closed", whole).choices
    return choices[0].message or Message() if choices else Message()


def request_through(policy: Policy, request: str | Request) -> Request:
    """What the model would be asked."""
    asked = user_request(request) if isinstance(request, str) else request

    async def ask(it: LoadedPolicy, ctx: PolicyContext, obs: ObservabilityContext) -> Request:
        return await _orchestrator(it).process_request(asked, ctx, obs)

    return _run(policy, asked, "fail_closed", ask)


def user_request(text: str) -> Request:
    message = InputMessage("user", (TextPart(text),))
    return Request(dialect="openai_chat", model="test", messages=(message,), stream=True)


def finish_chunk(reason: str = "stop") -> ModelResponse:
    return ModelResponse(choices=(Choice(delta=Message(), finish_reason=reason),))


def _run(policy: Policy, request: Request | None, on_error: OnError, way: Way[T]) -> T:
    it = loaded(policy, on_error)
    context = PolicyContext("txn_test", request or user_request("Hello"))
    with _observed(it) as obs:
        return asyncio.run(way(it, context, obs))


@contextmanager
def _observed(it: LoadedPolicy) -> Iterator[ObservabilityContext]:
    telemetry = setup(policies=[it.name], span_exporter=InMemorySpanExporter(), registry=CollectorRegistry())
    obs = telemetry.open("openai_chat", "POST", "/v1/chat/completions", {})
    try:
        yield obs
    finally:
        obs.finish("ok", status=200)
        telemetry.close()


def _orchestrator(it: LoadedPolicy) -> PolicyOrchestrator:
    settings = PipelineSettings()
    breakers, budget = PipelineBreakers(QueueBreakerSettings()), ByteBudget(settings.total_queue_bytes)
    return PolicyOrchestrator([it], PolicyExecutor([it], settings), ClientFormatter(), breakers, budget, settings)


async def _sending(chunks: Iterable[ModelResponse]) -> AsyncGenerator[Batch, None]:
    for chunk in chunks:
        yield (chunk,)


async def _read(queue: StageQueue[ModelResponse], into: list[ModelResponse]) -> None:
    while batch := await queue.get_batch():
        into += batch

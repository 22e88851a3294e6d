"""For authors of policies: run one as the gateway does, with its executor, and look at what comes out.

Plain functions that end with the transaction. What a policy raises on purpose, and what its failure becomes, is raised.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from app.messages import (
    Batch,
    Choice,
    InputMessage,
    Message,
    ModelResponse,
    Received,
    Request,
    TextPart,
    count_of,
    received_size,
    text_chunk,
)
from app.opened_stream import OpenedStream
from app.pipeline import AdmissionControl, ByteBudget, PolicyExecutor, PolicyOrchestrator, StageQueue
from app.policies import LoadedPolicy, OnError, Policy, PolicyContext, loaded
from app.settings import PipelineSettings, QueueBreakerSettings
from app.stages import Generated
from telemetry import HttpRequest, ObservabilityContext, Telemetry, setup

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
    sent = run_received(policy, map(Received, chunks), request=request, settings=settings, on_error=on_error)
    return [received.chunk for received in sent]


def run_received(
    policy: Policy,
    chunks: Iterable[Received],
    *,
    request: Request | None = None,
    settings: PipelineSettings | None = None,
    on_error: OnError = "fail_closed",
) -> list[Received]:
    """What a client's formatter would be given, the provider's bytes with it, for what a provider sends."""
    settings = settings or PipelineSettings()

    async def stream(it: LoadedPolicy, ctx: PolicyContext, obs: ObservabilityContext) -> list[Received]:
        queue: StageQueue[Received] = StageQueue(
            obs.queues.open("policy_out", settings.queue_items, settings.queue_bytes),
            size_of=received_size,
            count_of=count_of,
            put_timeout=settings.put_timeout,
            budget=ByteBudget(settings.total_queue_bytes),
            ledger=obs.ledger,
        )
        sent: list[Received] = []
        batches = _sending(chunks)
        opened = OpenedStream(await anext(batches, ()), Generated(batches))
        # The executor itself never raises: what ended the stream comes out of the queue, after the last chunk.
        await asyncio.gather(PolicyExecutor([it], settings).process(opened, queue, ctx, obs), _read(queue, sent))
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
    choices = response_through(policy, response, request=request).choices
    return choices[0].message or Message() if choices else Message()


def response_through(policy: Policy, response: ModelResponse, *, request: Request | None = None) -> ModelResponse:
    """What becomes of a whole response, with all that it says beside its answer."""
    return received_through(policy, Received(response), request=request).chunk


def received_through(policy: Policy, received: Received, *, request: Request | None = None) -> Received:
    """What becomes of a whole response beside the provider's bytes, and of these."""

    async def whole(it: LoadedPolicy, ctx: PolicyContext, obs: ObservabilityContext) -> Received:
        return await _orchestrator(it).process_full_response(received, ctx, obs)

    return _run(policy, request, "fail_closed", whole)


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
    obs = _telemetry(it.name).open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    try:
        yield obs
    finally:
        obs.finish("ok", status=200)


@lru_cache(maxsize=64)
def _telemetry(policy: str) -> Telemetry:
    """What a policy's runs are told to. It takes longer to make than most policies run, so they share it."""
    return setup(policies=[policy], span_exporter=_NoSpans(), registry=CollectorRegistry())


class _NoSpans(SpanExporter):
    """Keeps nothing: there is nobody to look at it."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def _orchestrator(it: LoadedPolicy) -> PolicyOrchestrator:
    settings = PipelineSettings()
    admission, budget = AdmissionControl(QueueBreakerSettings()), ByteBudget(settings.total_queue_bytes)
    return PolicyOrchestrator([it], PolicyExecutor([it], settings), admission, budget, settings)


async def _sending(chunks: Iterable[Received]) -> AsyncGenerator[Batch, None]:
    for chunk in chunks:
        yield (chunk,)


async def _read(queue: StageQueue[Received], into: list[Received]) -> None:
    while batch := await queue.get_batch():
        into += batch

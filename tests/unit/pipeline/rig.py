"""A stream through the executor, with telemetry that is really there, and what came out of it."""

from collections.abc import AsyncGenerator, Iterable, Sequence

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.errors import GatewayError
from app.messages import Batch, Choice, Function, Message, ModelResponse, Received, Request, ThinkingBlock, ToolCall
from app.opened_stream import OpenedStream
from app.pipeline import ByteBudget, PolicyExecutor, StageQueue
from app.policies import LoadedPolicy, Policy, PolicyContext, overridden
from app.settings import PipelineSettings, Seconds
from app.stages import Generated
from telemetry import HttpRequest, ObservabilityContext, QueueStats, Telemetry, TimeLedger, setup
from tests.support import run

REQUEST = Request(dialect="openai_chat", model="m", messages=(), stream=True)


def content(text: str, choice: int = 0) -> ModelResponse:
    return _chunk(Message(content=text), choice)


def thinking(text: str) -> ModelResponse:
    return _chunk(Message(reasoning_content=text))


def signature(value: str) -> ModelResponse:
    return _chunk(Message(thinking_blocks=(ThinkingBlock(signature=value),)))


def tool(arguments: str, index: int = 0, id: str | None = None, name: str | None = None) -> ModelResponse:
    return _chunk(Message(tool_calls=(ToolCall(index, id, function=Function(name, arguments)),)))


def finish(reason: str = "stop", choice: int = 0) -> ModelResponse:
    return ModelResponse(id="r", model="m", choices=(Choice(index=choice, delta=Message(), finish_reason=reason),))


def _chunk(delta: Message, choice: int = 0) -> ModelResponse:
    return ModelResponse(id="r", model="m", choices=(Choice(index=choice, delta=delta),))


def loaded(policy: Policy, fail_open: bool = False) -> LoadedPolicy:
    name = policy.name or type(policy).__name__
    return LoadedPolicy(policy, name, overridden(policy), "fail_open" if fail_open else "fail_closed")


class Outcome:
    """What a stream came to: the chunks that went out, the error at its end, and its telemetry."""

    def __init__(self, telemetry: Telemetry, obs: ObservabilityContext, spans: InMemorySpanExporter) -> None:
        self.received: list[Received] = []
        self.error: GatewayError | None = None
        self.telemetry = telemetry
        self.obs = obs
        self.spans = spans

    @property
    def chunks(self) -> list[ModelResponse]:
        return [received.chunk for received in self.received]

    @property
    def text(self) -> str:
        return "".join(delta.content or "" for delta in self.deltas)

    @property
    def thinking(self) -> str:
        return "".join(delta.reasoning_content or "" for delta in self.deltas)

    @property
    def arguments(self) -> str:
        return "".join(call.function.arguments for delta in self.deltas for call in delta.tool_calls)

    @property
    def signatures(self) -> list[str]:
        return [block.signature for delta in self.deltas for block in delta.thinking_blocks if block.signature]

    @property
    def deltas(self) -> list[Message]:
        return [choice.delta for chunk in self.chunks for choice in chunk.choices if choice.delta is not None]

    @property
    def finish_reasons(self) -> list[str]:
        return [choice.finish_reason for chunk in self.chunks for choice in chunk.choices if choice.finish_reason]

    def counter(self, name: str, **labels: str) -> float:
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


def observed() -> Outcome:
    spans = InMemorySpanExporter()
    telemetry = setup(span_exporter=spans, models=[("m", "simulated")])
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    return Outcome(telemetry, obs, spans)


def settings(policy_timeout: float = 5, idle_timeout: float = 5, emit_limit: int = 100) -> PipelineSettings:
    return PipelineSettings(
        policy_timeout=Seconds(policy_timeout),
        upstream_idle_timeout=Seconds(idle_timeout),
        policy_emit_limit=emit_limit,
    )


async def as_stream(chunks: Iterable[ModelResponse | Received | Exception]) -> AsyncGenerator[Batch, None]:
    for chunk in chunks:
        if isinstance(chunk, Exception):
            raise chunk
        yield (chunk if isinstance(chunk, Received) else Received(chunk),)


def execute(
    policies: Sequence[Policy | LoadedPolicy],
    chunks: Iterable[ModelResponse | Received | Exception] | AsyncGenerator[Batch, None],
    with_settings: PipelineSettings | None = None,
) -> Outcome:
    """Through the executor into a queue that is read as it fills."""
    outcome = observed()
    ready = [policy if isinstance(policy, LoadedPolicy) else loaded(policy) for policy in policies]
    stream = chunks if isinstance(chunks, AsyncGenerator) else as_stream(chunks)

    async def main() -> None:
        queue: StageQueue[Received] = StageQueue(
            QueueStats("policy_out", 10_000, 1 << 24),
            size_of=lambda _: 1,
            put_timeout=5,
            budget=ByteBudget(1 << 30),
            ledger=TimeLedger(),
        )
        executor = PolicyExecutor(ready, with_settings or settings())
        opened = OpenedStream(await anext(stream), Generated(stream))
        await executor.process(opened, queue, PolicyContext(outcome.obs.transaction_id, REQUEST), outcome.obs)
        try:
            while batch := await queue.get_batch():
                outcome.received += batch
        except GatewayError as error:
            outcome.error = error

    run(main())
    return outcome

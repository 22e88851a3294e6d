"""Stand-ins for what surrounds backends and router: telemetry that remembers, a scripted backend, a manual clock."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from app.backends.attempts import Backend
from app.messages import Batch, Choice, InputMessage, Message, ModelResponse, Received, Request, TextPart, Usage
from app.opened_stream import OpenedStream
from app.stages import generated, pieces_of
from telemetry import (
    Attempt,
    AttemptAllowance,
    AttemptTarget,
    AttemptTelemetry,
    BreakerTelemetry,
    ObservabilityContext,
    TimeLedger,
    Tokens,
)
from telemetry.names import AdmissionRefusal, AttemptOutcome, AttemptReason
from telemetry.transaction.admission import AdmissionTelemetry, AdmissionWait

TARGET = AttemptTarget(deployment="d", provider="openai", model="m", model_group="gpt-5")


class FakeAttempt(Attempt):
    """`calls` in order; `ends` counts."""

    def __init__(
        self,
        target: AttemptTarget = TARGET,
        retry_of: Attempt | None = None,
        fallback: bool = False,
        trace_headers: Mapping[str, str] | None = None,
    ) -> None:
        self.target = target
        self.prompt_cache = None
        self.retry_of = retry_of
        self.fallback = fallback
        self.hedge = False
        self._trace_headers = trace_headers or {}
        self.calls: list[tuple[Any, ...]] = []
        self.ends = 0

    @property
    def trace_headers(self) -> dict[str, str]:
        return dict(self._trace_headers)

    def first_chunk(self) -> None:
        self.calls.append(("first_chunk",))

    def first_token(self) -> None:
        self.calls.append(("first_token",))

    def usage(self, tokens: Tokens, cost_usd: float | None = None) -> None:
        self.calls.append(("usage", tokens, cost_usd))

    def response(self, id: str, model: str, finish_reasons: Sequence[str]) -> None:
        self.calls.append(("response", id, model, tuple(finish_reasons)))

    def request_id(self, id: str) -> None:
        self.calls.append(("request_id", id))

    def responded(self, status: int) -> None:
        self.calls.append(("responded", status))

    def allowed(self, allowances: Sequence[AttemptAllowance]) -> None:
        self.allowances = allowances
        self.calls += [("allowance", one.kind, one.limit, one.remaining) for one in allowances]

    def fail(
        self,
        error_type: str,
        detail: str | None = None,
        status: int | None = None,
        outcome: AttemptOutcome = "error",
    ) -> None:
        self.calls.append(("fail", error_type, detail, status))

    def end(self) -> None:
        self.ends += 1

    @property
    def failure(self) -> str | None:
        return next((call[1] for call in self.calls if call[0] == "fail"), None)


class FakeBreakers(BreakerTelemetry):
    def __init__(self) -> None:
        self.transitions: list[tuple[str, str, str]] = []
        self.rejections: list[tuple[str, str]] = []
        self.kept_out: list[tuple[str, str]] = []

    def changed(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        self.transitions.append((breaker, from_state, to_state))

    def rejected(self, breaker: str, reason: str = "open") -> None:
        self.rejections.append((breaker, reason))

    def caller_kept_out(self, breaker: str, reason: str) -> None:
        self.kept_out.append((breaker, reason))


class FakeAttempts(AttemptTelemetry):
    def __init__(self) -> None:
        self.started: list[FakeAttempt] = []
        self.local_failures: list[str] = []
        self.retries_denied: list[str] = []

    def start(
        self,
        target: AttemptTarget,
        *,
        retry_of: Attempt | None = None,
        fallback: bool = False,
        reason: AttemptReason | None = None,
    ) -> FakeAttempt:
        self.started.append(FakeAttempt(target, retry_of, fallback))
        self.started[-1].hedge = reason == "hedge"
        return self.started[-1]

    def local_failure(self, kind: str, detail: str | None) -> None:
        self.local_failures.append(kind)

    def retry_denied(self, model: str) -> None:
        self.retries_denied.append(model)


class FakeWait(AdmissionWait):
    def __init__(self) -> None:
        self.admitted_to: str | None = None

    def __enter__(self) -> "FakeWait":
        return self

    def __exit__(self, *_: object) -> None:
        """Tell nobody."""

    def admitted(self, deployment: str) -> None:
        self.admitted_to = deployment


class FakeAdmission(AdmissionTelemetry):
    def __init__(self) -> None:
        self.waits: list[tuple[str, FakeWait]] = []
        self.refusals: list[tuple[str, AdmissionRefusal]] = []

    def waiting(self, deployment: str, depth: int) -> FakeWait:
        self.waits.append((deployment, FakeWait()))
        return self.waits[-1][1]

    def refused(self, deployment: str, reason: AdmissionRefusal) -> None:
        self.refusals.append((deployment, reason))


class FakeObservability(ObservabilityContext):
    def __init__(self) -> None:
        self.attempts: FakeAttempts = FakeAttempts()
        self.breakers: FakeBreakers = FakeBreakers()
        self.admission: FakeAdmission = FakeAdmission()
        self.ledger = TimeLedger()
        self.provider: str | None = None
        self.logged: list[tuple[str, dict[str, object]]] = []

    def log(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        self.logged.append((message, fields))

    def describe(self, *, provider: str | None = None, **given: Any) -> None:
        self.provider = provider

    @property
    def tried(self) -> list[str]:
        return [attempt.target.deployment for attempt in self.attempts.started]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class ScriptedBackend:
    """Each request plays the next script (the last one again and again): chunks, then an error or a proper end.
    `HANG` in a script waits for ever. `is_sent`: requests reach the provider."""

    HANG = "hang"

    def __init__(
        self, *scripts: Sequence[ModelResponse | Received | BaseException | str], is_sent: bool = True
    ) -> None:
        self._scripts = deque(scripts)
        self._is_sent = is_sent
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.streams_closed = 0
        self.closed = False

    @generated
    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        try:
            for step in self._next(request, attempt):
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, str):
                    await asyncio.Event().wait()
                else:
                    yield (step if isinstance(step, Received) else Received(step),)
        finally:
            self.streams_closed += 1

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        answer: ModelResponse | Received = ModelResponse()
        for step in self._next(request, attempt):
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, str):
                await asyncio.Event().wait()
            else:
                answer = step
        return answer if isinstance(answer, Received) else Received(answer)

    async def count_tokens(self, request: Request) -> int:
        return 42

    async def aclose(self) -> None:
        self.closed = True

    def _next(self, request: Request, attempt: Attempt) -> Sequence[ModelResponse | Received | BaseException | str]:
        self.requests.append(request)
        if self._is_sent:
            attempt.is_sent = True
        self.asked.set()
        return self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]


_: type[Backend] = ScriptedBackend


def ask(text: str = "Hello there", **fields: Any) -> Request:
    given = {"dialect": "openai_chat", "model": "m", "stream": True, **fields}
    messages = (InputMessage(role="user", parts=(TextPart(text),)),)
    return Request(**{"messages": messages, **given})


def text(content: str) -> ModelResponse:
    return ModelResponse(id="r1", model="served", choices=(Choice(delta=Message(content=content)),))


def finish(reason: str = "stop") -> ModelResponse:
    return ModelResponse(id="r1", model="served", choices=(Choice(delta=Message(), finish_reason=reason),))


def used(prompt: int = 3, completion: int = 2) -> ModelResponse:
    return ModelResponse(id="r1", model="served", usage=Usage(prompt_tokens=prompt, completion_tokens=completion))


ANSWER = (text("Hel"), text("lo"), finish(), used())


def text_of(sent: Sequence[ModelResponse | Received]) -> str:
    """All text of the first choice."""
    chunks = [one.chunk if isinstance(one, Received) else one for one in sent]
    deltas = [choice.delta or choice.message for chunk in chunks for choice in chunk.choices if choice.index == 0]
    return "".join(delta.content or "" for delta in deltas if delta)


async def all_of(stream: OpenedStream) -> list[Received]:
    return [*stream.first, *[received async for batch in pieces_of(stream.rest) for received in batch]]

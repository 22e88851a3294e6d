"""Stand-ins for what surrounds backends and router: telemetry that remembers, a scripted backend, a manual clock."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from app.backends.attempts import Backend
from app.messages import Batch, Choice, InputMessage, Message, ModelResponse, Request, TextPart, Usage
from telemetry.context import Attempt, ObservabilityContext


class FakeAttempt(Attempt):
    """`calls` in order; `ends` counts."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.calls: list[tuple[Any, ...]] = []
        self.ends = 0

    @property
    def trace_headers(self) -> dict[str, str]:
        return dict(self.given.get("trace_headers", {}))

    def first_chunk(self) -> None:
        self.calls.append(("first_chunk",))

    def usage(self, usage: Any) -> None:
        self.calls.append(("usage", usage))

    def response(self, id: str, model: str, finish_reasons: Sequence[str]) -> None:
        self.calls.append(("response", id, model, tuple(finish_reasons)))

    def request_id(self, id: str) -> None:
        self.calls.append(("request_id", id))

    def fail(self, error_type: str, detail: str | None = None, status: int | None = None) -> None:
        self.calls.append(("fail", error_type, detail, status))

    def end(self) -> None:
        self.ends += 1

    @property
    def failure(self) -> str | None:
        return next((call[1] for call in self.calls if call[0] == "fail"), None)


class FakeObservability(ObservabilityContext):
    def __init__(self) -> None:
        self.attempts: list[FakeAttempt] = []
        self.provider: str | None = None
        self.transitions: list[tuple[str, str, str]] = []
        self.rejections: list[tuple[str, str]] = []

    def describe(self, *, provider: str | None = None, **given: Any) -> None:
        self.provider = provider

    def breaker_transition(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        self.transitions.append((breaker, from_state, to_state))

    def breaker_rejected(self, breaker: str, reason: str = "open") -> None:
        self.rejections.append((breaker, reason))

    def attempt(self, **given: Any) -> FakeAttempt:
        self.attempts.append(FakeAttempt(**given))
        return self.attempts[-1]

    @property
    def tried(self) -> list[str]:
        return [attempt.given["deployment"] for attempt in self.attempts]


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
    `HANG` in a script waits for ever."""

    HANG = "hang"

    def __init__(self, *scripts: Sequence[ModelResponse | BaseException | str]) -> None:
        self._scripts = deque(scripts)
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.streams_closed = 0
        self.closed = False

    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        try:
            for step in self._next(request):
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, str):
                    await asyncio.Event().wait()
                else:
                    yield (step,)
        finally:
            self.streams_closed += 1

    async def complete(self, request: Request, attempt: Attempt) -> ModelResponse:
        answer = ModelResponse()
        for step in self._next(request):
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, str):
                await asyncio.Event().wait()
            else:
                answer = step
        return answer

    async def count_tokens(self, request: Request) -> int:
        return 42

    async def aclose(self) -> None:
        self.closed = True

    def _next(self, request: Request) -> Sequence[ModelResponse | BaseException | str]:
        self.requests.append(request)
        self.asked.set()
        return self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]


_: type[Backend] = ScriptedBackend


def ask(text: str = "Hello there", **fields: Any) -> Request:
    given = {"dialect": "openai_chat", "model": "m", "stream": True, **fields}
    messages = (InputMessage(role="user", parts=(TextPart(text),)),)
    return Request(**{"messages": messages, **given})


def text(said: str) -> ModelResponse:
    return ModelResponse(id="r1", model="served", choices=(Choice(delta=Message(content=said)),))


def finish(reason: str = "stop") -> ModelResponse:
    return ModelResponse(id="r1", model="served", choices=(Choice(delta=Message(), finish_reason=reason),))


def used(prompt: int = 3, completion: int = 2) -> ModelResponse:
    return ModelResponse(id="r1", model="served", usage=Usage(prompt_tokens=prompt, completion_tokens=completion))


ANSWER = (text("Hel"), text("lo"), finish(), used())


def said(chunks: Sequence[ModelResponse]) -> str:
    """All text of the first choice."""
    deltas = [choice.delta or choice.message for chunk in chunks for choice in chunk.choices if choice.index == 0]
    return "".join(delta.content or "" for delta in deltas if delta)

"""One attempt on one deployment: its permit, its span, and the limit on its first byte.

However it ends (well, by an error, or because nobody listens any more), breaker and telemetry hear of it exactly once.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Protocol, TypeVar

from app.backends.call_arguments import CallArguments
from app.errors import GatewayError, UpstreamFailed, UpstreamTimeout, UpstreamTruncated
from app.limits import Limit
from app.messages import Batch, ModelResponse, Request
from telemetry.context import Attempt

_Answer = TypeVar("_Answer")


class Backend(Protocol):
    """How one deployment is asked. Errors are leaves of `BackendError`; a stream that ends without its terminal event
    raises `UpstreamTruncated`. Made once per deployment, used by many requests at a time."""

    def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]: ...

    async def complete(self, request: Request, attempt: Attempt) -> ModelResponse: ...

    async def count_tokens(self, request: Request) -> int: ...

    async def aclose(self) -> None: ...


class Trial:
    """Enter it and tell it what came; leaving it without an error is success, by cancellation neither that nor failure.

    `settle` is told the error that ended it, or None.
    """

    def __init__(self, attempt: Attempt, settle: Callable[[BaseException | None], None]) -> None:
        self.attempt = attempt
        self._settle = settle
        self._last: ModelResponse | None = None
        self._finish_reasons: dict[int, str] = {}
        self._calls: CallArguments | None = None

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settle(error)
        self._describe()
        if error is not None:
            self._fail(error)
        elif self._calls is not None:
            self.attempt.invalid_calls(self._calls.invalid())
        self.attempt.end()

    def saw(self, *responses: ModelResponse) -> None:
        """Chunks, or the whole response."""
        if self._last is None:
            self.attempt.first_chunk()
        self._last = responses[-1]
        usage = None
        for response in responses:
            usage = response.usage or usage
            for choice in response.choices:
                if choice.finish_reason:
                    self._finish_reasons[choice.index] = choice.finish_reason
                said = choice.delta or choice.message
                if said is not None and said.tool_calls:
                    self._calls = self._calls or CallArguments()
                    self._calls.add(choice.index, said.tool_calls)
        if usage is not None:
            self.attempt.usage(usage)

    def _describe(self) -> None:
        if self._last is not None:
            reasons = tuple(self._finish_reasons[index] for index in sorted(self._finish_reasons))
            self.attempt.response(self._last.id, self._last.model, reasons)

    def _fail(self, error: BaseException) -> None:
        match error:
            case GatewayError():
                status = error.upstream_status if isinstance(error, UpstreamFailed) else None
                self.attempt.fail(error.error_type, error.detail or error.message, status)
            case asyncio.CancelledError() | GeneratorExit():
                self.attempt.fail("cancelled")
            case _:
                self.attempt.fail("internal_error", type(error).__name__)


async def streamed(trial: Trial, stream: AsyncGenerator[Batch, None], limit: float) -> AsyncGenerator[Batch, None]:
    """`limit` is for the first chunk; the pipeline watches over the next ones."""
    with trial:
        async with aclosing(stream) as batches:
            first = await within(limit, anext(batches, None))
            if first is None:
                raise UpstreamTruncated("The provider's stream was empty.")
            trial.saw(*first)
            yield first
            async for batch in batches:
                trial.saw(*batch)
                yield batch


async def completed(trial: Trial, backend: Backend, request: Request, limit: float) -> ModelResponse:
    """`limit` is for the whole of it."""
    with trial:
        response = await within(limit, backend.complete(request, trial.attempt))
        trial.saw(response)
        return response


async def within(seconds: float, answer: Awaitable[_Answer]) -> _Answer:
    limit = Limit(seconds)
    try:
        with limit:
            return await answer
    except TimeoutError as error:
        if not limit.expired:
            raise
        raise UpstreamTimeout(f"The provider did not answer within {round(seconds, 3):g} seconds.") from error

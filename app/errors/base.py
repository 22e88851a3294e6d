"""What all errors have, and how words of a caller are shown in one."""

from typing import ClassVar

from telemetry.names import Outcome
from telemetry.redact import bounded, printable

_PARAM_LIMIT = 200


def legible(text: str, limit: int = _PARAM_LIMIT) -> str:
    """What a caller sent, to be shown in a message: at most `limit` characters, with no control characters and no lone
    surrogates among them."""
    return bounded(printable(bounded(text, limit)), limit)


class GatewayError(Exception):
    """The base of all errors here; only its leaves are raised. `retry_after` is in seconds."""

    status: int = 500
    error_type: ClassVar[str] = "internal_error"
    outcome: Outcome = "internal_error"
    retryable: bool = False
    may_quote: ClassVar[bool] = True
    """Whether `message` may repeat words of a caller, a policy or a provider."""
    plain: ClassVar[str] = ""
    """What it means, in words that quote nobody."""

    def __init__(
        self, message: str, *, detail: str | None = None, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.param = None if param is None else legible(param)
        self.retry_after = retry_after

    @property
    def recorded(self) -> str | None:
        """What went wrong, in words for spans and logs; None where there are none that quote nobody."""
        return self.detail or self.plain or (None if self.may_quote else self.message)

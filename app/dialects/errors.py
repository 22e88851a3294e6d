"""What all dialects' error replies share: the reply itself, and the headers that tell a client what to do now."""

import math
from typing import Any

from msgspec import Struct

from app.errors import GatewayError, MethodNotAllowed

_SDKS_RETRY = frozenset({408, 409, 429})


class ProviderFailed(Exception):
    """An event or a body of a provider's that is well formed and says that it failed; `said` is its error."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__("the provider failed")
        self.said = said


class RenderedError(Struct, frozen=True):
    """A whole HTTP reply; the names of `headers` are lower-case."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def advice(error: GatewayError, status: int) -> dict[str, str]:
    """SDKs try again by status alone; an error that another attempt cannot cure says so."""
    headers = {"allow": error.allowed} if isinstance(error, MethodNotAllowed) else {}
    if error.retry_after is not None and math.isfinite(error.retry_after):
        headers["retry-after"] = str(max(0, math.ceil(error.retry_after)))
    if not error.retryable and (status in _SDKS_RETRY or status >= 500):
        headers["x-should-retry"] = "false"
    return headers

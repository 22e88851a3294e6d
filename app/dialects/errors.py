"""What all dialects' error replies share: the reply itself, and the headers that tell a client what to do now."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from app.errors import ErrorBody, GatewayError, LimitReached, MethodNotAllowed, UnsupportedEncoding, UpstreamFailed
from app.messages import ModelResponse

LONGEST_WAIT = 86_400.0
"""Seconds that anybody is told to wait at most."""
_SDKS_RETRY = frozenset({408, 409, 429})


class ProviderFailed(Exception):
    """A well-formed event or body of a provider that reports a failure; `error` is its object. `partial` is what it
    holds of the answer beside that."""

    def __init__(self, error: dict[str, Any], partial: ModelResponse | None = None) -> None:
        super().__init__("the provider failed")
        self.error = error
        self.partial = partial


class RenderedError(Struct, frozen=True):
    """A whole HTTP response; the names of `headers` are lower-case."""

    status: int
    body: dict[str, Any] | bytes
    """Bytes are JSON, as a provider sent it."""
    headers: dict[str, str]


def sent_by_provider(error: GatewayError, is_ours: Callable[[Mapping[str, Any]], bool]) -> ErrorBody | None:
    """The error as its provider sent it, where `is_ours` says of its JSON that it has the form of the client's
    dialect: clients act on its wording, on its type and on fields that only its provider knows."""
    body = error.body if isinstance(error, UpstreamFailed) else None
    return body if body is not None and is_ours(body.payload) else None


def reworded(body: ErrorBody, fields: Mapping[str, Any]) -> ErrorBody:
    """A provider's error with some fields of its object `error` in other words, and all else as it came."""
    payload = {**body.payload, "error": {**body.payload["error"], **fields}}
    return ErrorBody(payload, msgspec.json.encode(payload), status=body.status)


def advice(error: GatewayError, status: int) -> dict[str, str]:
    """Headers that tell a client whether and when to try again: SDKs decide by the status alone otherwise."""
    headers = {"allow": error.allowed} if isinstance(error, MethodNotAllowed) else {}
    if isinstance(error, UnsupportedEncoding):
        # RFC 9110, section 12.5.3: what a client may send instead.
        headers["accept-encoding"] = error.accepted
    if error.retry_after is not None and math.isfinite(error.retry_after):
        wait = min(max(0.0, error.retry_after), LONGEST_WAIT)
        headers["retry-after"] = str(math.ceil(wait))
        if isinstance(error, LimitReached):
            # What SDKs look at first: a limit of the gateway's own is known to the millisecond.
            headers["retry-after-ms"] = str(math.ceil(1000 * wait))
    if not error.retryable and (status in _SDKS_RETRY or status >= 500):
        headers["x-should-retry"] = "false"
    return headers

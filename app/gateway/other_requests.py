"""Requests on routes that are no model routes: each has an id, which its response bears, is counted and leaves a line.

They are no transactions: no model is asked, so there is nothing of which the time ledger could tell.
"""

from collections.abc import Mapping
from types import TracebackType

from starlette.types import Message, Scope, Send

from app.gateway.authentication import Caller
from app.gateway.call import Gateway
from app.gateway.request_head import http_request
from telemetry.names import OTHER
from telemetry.traces.http import REQUEST_ID

HELLO = "/api/hello"
"""Claude Code asks for it by HEAD, without its key, to learn whether the address is alive; any answer will do."""
LIVE_PATHS = ("/health/liveliness", "/health/liveness")
READY_PATH = "/health/readiness"
"""LiteLLM's probes, which answer here as they do there."""
HEALTH_PATHS = frozenset({"/", "/livez", "/readyz", HELLO, *LIVE_PATHS, READY_PATH})
"""The routes that need no key."""
HEALTH = "/health"
"""Which deployments may be asked; needs a key, as LiteLLM's does."""
PREFLIGHT = "preflight"
"""The route of a browser's question whether a page may ask, whatever its path."""
_MODELS, _MODEL = "/v1/models", "/v1/models/{name}"
USAGE = "/v1/usage"
"""A caller's own limits and budgets."""
GATEWAY, CALLER = "flowspan.gateway", "flowspan.caller"
"""Where the services that a request works with, and who asks, stand in its scope."""
ROUTES = (*sorted(HEALTH_PATHS), HEALTH, _MODELS, _MODEL, USAGE, PREFLIGHT)
"""All routes by which such requests are counted."""


def route_of(path: str) -> str:
    """The route of a path, or `other`."""
    if path in HEALTH_PATHS or path in (_MODELS, HEALTH, USAGE):
        return path
    return _MODEL if path.startswith(f"{_MODELS}/") and path != f"{_MODELS}/" else OTHER


class ObservedRequest:
    """One such request, as a `with` block around whoever answers it: with its `scope`, and by its `send`."""

    def __init__(self, gateway: Gateway, scope: Scope, headers: Mapping[str, str], send: Send, route: str) -> None:
        request = http_request(scope, route, headers, gateway.proxies)
        self._telemetry = gateway.telemetry.open_other(request, scope["path"], is_probe=route in HEALTH_PATHS)
        self._gateway = gateway
        self._headers = headers
        self._send = send
        self.scope = {**scope, REQUEST_ID: self._telemetry.id, GATEWAY: gateway}

    def __enter__(self) -> "ObservedRequest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._telemetry.end(*self._gateway.ids.find(self._headers, {}))

    def identify(self, caller: Caller) -> None:
        """Note who asks, for telemetry and for whoever answers."""
        self.scope[CALLER] = caller
        self._telemetry.key = caller.name

    def refused(self, error_type: str) -> None:
        """Note why the request was turned away."""
        self._telemetry.error_type = error_type

    async def send(self, message: Message) -> None:
        """ASGI's `send`, with the request's id in the head of the response."""
        if message["type"] == "http.response.start":
            self._telemetry.status = message["status"]
            id = self._telemetry.id.encode()
            others = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in _ID_HEADERS]
            message = {**message, "headers": [*others, *((name, id) for name in _ID_HEADERS)]}
        await self._send(message)


_ID_HEADERS = (b"x-request-id", b"request-id")

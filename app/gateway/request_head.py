"""The head of a request, as telemetry gets it."""

from collections.abc import Mapping

from starlette.types import Scope

from app.proxies import UNIX, TrustedProxies
from telemetry import HttpRequest


def http_request(scope: Scope, route: str, headers: Mapping[str, str], proxies: TrustedProxies) -> HttpRequest:
    """The head of an ASGI request on a route; `headers` have lower-case names. The client's address and scheme are
    those of the connection, or what trusted proxies say of them."""
    server = scope.get("server") or (None, None)
    # A Unix socket has a path, and no port.
    is_unix = server[0] is not None and server[1] is None
    peer = UNIX if is_unix else (scope.get("client") or (None, None))[0]
    return HttpRequest(
        scope["method"],
        route,
        headers,
        scheme=proxies.scheme(headers, peer, scope["scheme"]),
        http_version=scope["http_version"],
        server=server,
        client_address=proxies.client(headers, peer),
    )

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
        client_subject=_subject(scope),
    )


def _subject(scope: Scope) -> str | None:
    """The subject of the client's certificate, by ASGI's extension `tls`; None where it has shown none."""
    tls: Mapping[str, str | None] = (scope.get("extensions") or {}).get("tls", {})
    return tls.get("client_cert_name")

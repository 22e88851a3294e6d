"""The head of a request: as telemetry gets it, and what is known of one that comes again."""

from collections.abc import Mapping

from starlette.types import Scope

from app.gateway.authentication import Caller, header_map
from app.gateway.routes import Route
from app.messages import ClientCredential
from app.proxies import UNIX, TrustedProxies
from telemetry import HttpRequest


class KnownHead:
    """What one configuration makes of a head on a model route. A connection keeps it for as long as its client sends
    the same head, so nothing of it may depend on anything else; whoever came with it may be none of them any more."""

    __slots__ = ("caller", "credential", "headers", "made_by", "path", "path_parameters", "request", "route")

    def __init__(
        self,
        route: Route,
        path_parameters: Mapping[str, str],
        scope: Scope,
        proxies: TrustedProxies,
        made_by: object = None,
    ) -> None:
        self.route = route
        self.path: str = scope["path"]
        self.path_parameters = path_parameters
        self.headers = headers = header_map(scope)
        """Under lower-case names."""
        # The only one that is another in each request.
        headers.pop("content-length", None)
        self.request = http_request(scope, route.path, headers, proxies)
        self.made_by = made_by
        """Stands for the configuration."""
        self.caller: Caller | None = None
        """Who asks, once it is known that they may by such a head."""
        self.credential: ClientCredential | None = None
        """The caller's own, where a deployment may hand it on."""


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

"""By which way a server is asked: what makes two connections exchangeable. Pure values."""

import ssl
from dataclasses import dataclass, field

from app.http_client.heads import Origin


@dataclass(frozen=True)
class Tls:
    """TLS to a server. The context has the bundle of certificates that the server's is verified with, or none, and the
    client's certificate; contexts are compared by identity, so whoever wants connections shared makes one."""

    context: ssl.SSLContext
    server_name: str | None = None
    """The name that is asked for (SNI) and verified, in place of the host's."""


@dataclass(frozen=True)
class Proxy:
    """A forward proxy: https servers are reached by a tunnel (CONNECT), others by a request with the whole URL."""

    origin: Origin
    tls: Tls | None = None
    """TLS to the proxy itself, where its scheme is https."""
    authorization: str | None = field(default=None, repr=False)
    """The value of Proxy-Authorization."""


@dataclass(frozen=True)
class Route:
    """The server, and all that decides which of its connections a request may use. `tls` is None for http alone."""

    origin: Origin
    tls: Tls | None = None
    proxy: Proxy | None = None

    def __post_init__(self) -> None:
        if (self.tls is None) is (self.origin.scheme == "https"):
            raise ValueError("a route has TLS where its scheme is https, and only there")

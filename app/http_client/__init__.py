"""An HTTP/1.1 client for the servers of providers: pooled connections over asyncio, llhttp for a parser.

    route         which way a server is asked: origin, TLS, proxy. Two connections of one route are exchangeable
    pool          the connections of a route: bounded, used again, and the request that is sent over one
    connecting    names, addresses, tunnels, TLS -> a connection
    connection    one socket, one exchange at a time; its states are described there
    parser        bytes -> head, pieces of the body, end; bounded. Pure
    heads         a request's head -> bytes; how a response's body ends. Pure
    response      what a reader has of a response; `body` brings its bytes, decoded, and holds up the connection
    errors        what can go wrong

It follows no redirect, keeps no cookie, reads no proxy from the environment and speaks no other version of HTTP:
whoever uses it decides all that. It does not limit how long a response may take: whoever reads it does.
"""

from app.http_client.errors import (
    BodyIncomplete,
    HttpError,
    InvalidAddress,
    InvalidHeader,
    MalformedResponse,
    NoFreeConnection,
    ProxyConnectionFailed,
    UndecodableBody,
)
from app.http_client.heads import Origin, Resource, resource_of
from app.http_client.pool import Pool
from app.http_client.response import UpstreamResponse
from app.http_client.route import Proxy, Route, Tls

__all__ = [
    "BodyIncomplete",
    "HttpError",
    "InvalidAddress",
    "InvalidHeader",
    "MalformedResponse",
    "NoFreeConnection",
    "Origin",
    "Pool",
    "Proxy",
    "ProxyConnectionFailed",
    "Resource",
    "Route",
    "Tls",
    "UndecodableBody",
    "UpstreamResponse",
    "resource_of",
]

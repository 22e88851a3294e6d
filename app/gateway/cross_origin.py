"""Pages of other sites that may ask the gateway from a browser: an explicit list of origins (CORS, the Fetch standard).

Starlette's middleware answers preflights and adds the headers. It is passed by requests of listed origins alone, so all
others cost nothing and are treated as if there were no list: a browser then keeps the answer from the page.
"""

from collections.abc import Collection, Mapping

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Scope

ANY = "*"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "POST")
_EXPOSED = ("x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry", ANY)
"""`*` is for the rate limits of all providers; the others are named for browsers that take it literally."""
_MAX_AGE = 600
"""Seconds for which a browser may remember the answer to a preflight."""


def is_preflight(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks whether a page may send a request, which the middleware answers by itself."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


class CrossOrigin:
    """An ASGI application for requests of listed origins, around `app`; `origins` is not empty."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self.app = CORSMiddleware(
            app,
            allow_origins=tuple(origins),
            allow_methods=_METHODS,
            # SDKs send some of their own (x-stainless-*), and those of Anthropic's API are an open list.
            allow_headers=("*",),
            expose_headers=_EXPOSED,
            max_age=_MAX_AGE,
            # Chrome asks before a page reaches this machine or a private network.
            allow_private_network=True,
        )

    def lists(self, scope: Scope) -> bool:
        """Whether a request comes from a page of a listed origin."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        return origin is not None and (ANY.encode() in self._origins or origin in self._origins)

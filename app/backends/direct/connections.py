"""Pooled connections to providers: a pool per event loop and way to an origin, shared by all deployments that go it.

Bodies are asked for without compression, so that what is counted is what was sent. One that comes compressed all the
same is decompressed piece by piece, so the limits of what is read hold for what it decompresses to. Redirects are not
followed, cookies not kept, and no variable is read here: a deployment's settings say where a request goes, and by
which proxy. What differs in its origin, proxy or TLS is another way, whose connections nobody else uses.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakKeyDictionary, WeakSet

from app.backends.direct.upstream_tls import context_of
from app.certificates import BadCertificate
from app.errors import LocalFailure, UpstreamUnreachable
from app.http_client import (
    InvalidAddress,
    NoFreeConnection,
    Pool,
    Proxy,
    Route,
    Tls,
    UpstreamResponse,
    resource_of,
)
from app.lookups import Lookups
from app.settings import UpstreamProxy, UpstreamTls
from telemetry import Attempt
from telemetry.metrics.pools import PoolReading

_CONNECT_LIMIT = 10.0
"""Seconds for a connection, the wait for a free one included; as much again for a tunnel through a proxy."""
_CONNECTIONS = 4096
"""Connections of one way. Each stream holds one, so it bounds the streams; more wait for `_CONNECT_LIMIT`."""
_USUAL_TLS = UpstreamTls()
_BASE_HEADERS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "flowspan",
}


@dataclass
class _Shared:
    pool: Pool
    users: "WeakSet[Connections]" = field(default_factory=WeakSet)
    """The shares that were not closed, and that somebody still uses."""


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Route, _Shared]] = WeakKeyDictionary()


class Connections:
    """One deployment's share of the pool for its way to the origin of `url`. The pool is closed with its last share:
    where nobody closed that, with the next one that is closed."""

    def __init__(
        self,
        url: str,
        lookups: Lookups,
        *,
        proxy: UpstreamProxy | None = None,
        tls: UpstreamTls = _USUAL_TLS,
        limit: int = _CONNECTIONS,
        connect_limit: float = _CONNECT_LIMIT,
    ) -> None:
        self._lookups = lookups
        self._limit = limit
        self._connect_limit = connect_limit
        self._origin = resource_of(url).origin
        self._proxy = proxy
        self._tls = tls
        self._shared: _Shared | None = None

    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], attempt: Attempt | None = None
    ) -> UpstreamResponse:
        """Send a request and return the head of its response. The caller reads the body and closes the response, which
        ends the connection if anything is left unread. The attempt is told when the body goes out. Raises HttpError,
        OSError, TimeoutError, and `LocalFailure` where no connection became free."""
        resource = resource_of(url)
        if resource.origin != self._origin:
            raise InvalidAddress("the address is not one of the deployment's own server")
        try:
            pool = (self._shared or self._share()).pool
            return await pool.request(method, resource, {**_BASE_HEADERS, **headers}, body, attempt)
        except NoFreeConnection as error:
            # Whoever holds them, the provider was not even asked.
            raise LocalFailure("connections", detail=str(error)) from error

    async def aclose(self) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        shared.users.discard(self)
        pools = _pools.get(asyncio.get_running_loop(), {})
        for route, one in list(pools.items()):
            # Another share may have closed it while this one waited for a pool to close.
            if not one.users and pools.get(route) is one:
                del pools[route]
                await one.pool.aclose()

    def _share(self) -> _Shared:
        pools, route = _pools.setdefault(asyncio.get_running_loop(), {}), self._route
        if route not in pools:
            pool = Pool(route, self._lookups, limit=self._limit, connect_limit=self._connect_limit)
            pools[route] = _Shared(pool)
        self._shared = shared = pools[route]
        shared.users.add(self)
        return shared

    @cached_property
    def _route(self) -> Route:
        by, tls = self._proxy, None
        if self._origin.scheme == "https":
            try:
                tls = Tls(context_of(self._tls), self._tls.server_name)
            except BadCertificate as error:
                # It was checked at the start, and has changed since.
                detail = f"{error.part} {error}"
                raise UpstreamUnreachable("The provider could not be reached.", detail=detail) from error
        proxy = None if by is None else Proxy(resource_of(by.address).origin, authorization=by.authorization)
        return Route(self._origin, tls, proxy)


def pool_readings() -> list[PoolReading]:
    """What the pools of the running event loop hold, by origin; nothing where none runs any more."""
    try:
        pools = _pools.get(asyncio.get_running_loop(), {})
    except RuntimeError:
        return []
    found: dict[str, PoolReading] = {}
    for route, shared in pools.items():
        origin = route.origin.url
        reading = _reading(origin, shared.pool)
        found[origin] = found[origin].joined(reading) if origin in found else reading
    return list(found.values())


def _reading(origin: str, pool: Pool) -> PoolReading:
    state, news = pool.state, pool.take_news()
    return PoolReading(origin, state.active, state.idle, state.waiting, news.connects, news.resent)

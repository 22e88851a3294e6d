"""Pooled connections to providers: a session per event loop and origin, shared by all deployments there.

Bodies are asked for without compression, so that what is counted is what was sent. One that comes compressed all the
same is unpacked piece by piece, so the limits of what is read hold for what it unpacks to. Redirects are not followed,
proxies of the environment not used, cookies not kept: where a request goes is the operator's word alone.
"""

import asyncio
import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractCookieJar
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

CONNECT_LIMIT = 10.0
"""Seconds for a connection, the wait for a free one included."""
_CONNECTIONS = 4096
"""To one origin. Streams hold one each, so it bounds the streams; more wait for `CONNECT_LIMIT`."""
_KEEPALIVE = 30.0
_LARGE_BODY = 2**20
_HEADER_LIMIT = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=CONNECT_LIMIT, sock_connect=CONNECT_LIMIT, sock_read=None)
_BASE_HEADERS = {
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "flowspan",
}


class Answer(aiohttp.ClientResponse):
    """Remembers its connection, which goes back to the pool with the last byte."""

    _kept: ResponseHandler | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        self._kept = connection.protocol
        return await super().start(connection)

    def give_up(self) -> None:
        """Whoever sent this is not to be asked again on the same connection."""
        self.close()
        if self._kept is not None:
            self._kept.close()


@dataclass
class _Shared:
    session: aiohttp.ClientSession
    users: int = 0


_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Shared]] = WeakKeyDictionary()


class Connections:
    """One deployment's hold on the session to `url`'s origin; the last one to let go closes it."""

    def __init__(self, url: str, verify: bool | str = True) -> None:
        self._origin = str(URL(url).origin())
        self._ssl = ssl_of(verify)
        self._shared: _Shared | None = None

    async def request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer's head. Its body is still to be read, and the answer to be closed, which ends the connection if
        anything is left unread."""
        session = self._session()
        # A large body is written in pieces, so that other streams go on meanwhile.
        data = io.BytesIO(body) if len(body) > _LARGE_BODY else body
        answer = await session.request(
            method,
            url,
            data=data or None,
            headers={**_BASE_HEADERS, **headers},
            allow_redirects=False,
            ssl=self._ssl,
        )
        assert isinstance(answer, Answer)
        return answer

    async def aclose(self) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        shared.users -= 1
        if shared.users == 0:
            _sessions.get(asyncio.get_running_loop(), {}).pop(self._origin, None)
            await shared.session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._shared is None:
            pool = _sessions.setdefault(asyncio.get_running_loop(), {})
            if self._origin not in pool:
                pool[self._origin] = _Shared(_new_session())
            self._shared = pool[self._origin]
            self._shared.users += 1
        return self._shared.session


def _new_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=60, socket_factory=_socket
    )
    cookies: AbstractCookieJar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(
        connector=connector,
        timeout=_TIMEOUT,
        cookie_jar=cookies,
        auto_decompress=True,
        response_class=Answer,
        trust_env=False,
        max_line_size=_HEADER_LIMIT,
        max_field_size=_HEADER_LIMIT,
    )


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A peer that vanished without a word is found out even where nobody is waiting for it.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


@lru_cache
def ssl_of(verify: bool | str) -> ssl.SSLContext | bool:
    """LiteLLM's `ssl_verify`: False for no check at all, or the path of a bundle of certificates. Raises ValueError,
    with a text for the operator, where there is no such bundle."""
    if not isinstance(verify, str):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise ValueError(f"ssl_verify {verify!r} is no bundle of certificates: {error.strerror or error}") from None

"""What asks the console of a running gateway, from a terminal: one JSON, or events for as long as they come."""

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct
from yarl import URL

_CONNECT_LIMIT = 5.0
_SILENCE = 8.0
"""Seconds after which a console that sends nothing is taken to be gone; a live one sends several events a second."""
_LONGEST_EVENT = 64 * 1024**2
_SHORTEST_BUFFER = 1024**2
_TEXT_LIMIT = 300


class Refused(Exception):
    """The console will not, or what answers is none; to ask again is of no use. The text is for whoever asked."""


class Gone(Exception):
    """The console cannot be reached, or has gone; it may come back."""


class Event(Struct, frozen=True):
    name: str
    data: str


class ConsoleClient:
    """`url` is the console's first page. A token is sent with each request."""

    def __init__(self, url: str, token: str | None) -> None:
        """Raises Refused for an address that is none."""
        self.url = _checked(url)
        self._token = token

    @asynccontextmanager
    async def _response(self, path: str, accept: str, silence: float) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"accept": accept, **({"authorization": f"Bearer {self._token}"} if self._token else {})}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_LIMIT, sock_read=silence)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=_SHORTEST_BUFFER) as session:
            try:
                async with session.get(f"{self.url}{path}", headers=headers, allow_redirects=False) as response:
                    await self._check(response, accept)
                    yield response
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
                raise Refused(f"{self.url} cannot be trusted: {error}") from None
            except aiohttp.ClientConnectorError as error:
                raise Gone(_unreachable(self.url, error.os_error)) from None
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Gone(f"{self.url} does not answer: {error or type(error).__name__}") from None

    async def json(self, path: str, *, silence: float = _SILENCE) -> bytes:
        """The JSON of a path, for which the console may need `silence` seconds. Raises Refused or Gone."""
        async with self._response(path, "application/json", silence) as response:
            return await response.read()

    async def events(self, path: str) -> AsyncIterator[Event]:
        """The server-sent events of a path. Raises Refused, or Gone: also where they end."""
        async with self._response(path, "text/event-stream", _SILENCE) as response:
            name, lines = "message", list[str]()
            async for line in _lines(response.content):
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if not line:
                    if lines:
                        yield Event(name, "\n".join(lines))
                    name, lines = "message", []
                elif field == "event":
                    name = value
                elif field == "data":
                    lines.append(value)
        raise Gone("the gateway has ended the connection")

    async def _check(self, response: aiohttp.ClientResponse, accept: str) -> None:
        if response.status == 200 and response.content_type == accept:
            return
        if response.status == 200 or "content-security-policy" not in response.headers:
            raise Refused(_no_console(self.url))
        # What is no plain text is a page for a browser.
        is_plain = response.content_type == "text/plain"
        text = (await response.content.read(_TEXT_LIMIT)).decode(errors="replace").strip() if is_plain else ""
        raise _refusal(self.url, response.status, text, has_token=self._token is not None)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[str]:
    """Whole lines, however long: a reader's own lines are bounded by its buffer."""
    rest = b""
    async for read in content.iter_any():
        *whole, rest = (rest + read).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")
        if len(rest) > _LONGEST_EVENT:
            raise Refused("the console sends an event that is too long")


def _checked(url: str) -> str:
    text = url if "://" in url else f"http://{url}"
    try:
        found = URL(text)
        if found.scheme in ("http", "https") and found.host and found.port:
            return str(found.with_query(None).with_fragment(None).with_user(None)).rstrip("/")
    except ValueError:
        pass
    raise Refused(f"{url} is no address of a console: it looks like http://127.0.0.1:4001")


def _unreachable(url: str, error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return f"nothing listens at {url}. Is the gateway running? Its log has the address of its console"
    # What asyncio adds of its own hides the reason.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return f"{url} cannot be reached: {reason or error}"


def _refusal(url: str, status: int, text: str, *, has_token: bool) -> Exception:
    match status:
        case 401 if has_token:
            return Refused(f"{url}: that is not the console's token")
        case 401:
            return Refused(f"{url} asks for its token: set FLOWSPAN_CONSOLE_TOKEN to it")
        case 403 | 404 | 409 if text:
            return Refused(f"{url}: {text}")
        case 503:
            return Gone(text or f"{url} is not ready")
        case _:
            return Refused(_no_console(url))


def _no_console(url: str) -> str:
    return (
        f"{url} is not the console of a Flowspan gateway. It is on port 4001, unless the gateway's log has another "
        "address"
    )

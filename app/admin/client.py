"""Asks the admin API of a running gateway, from a terminal."""

import errno
import http.client
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from app.settings import AdminSettings
from telemetry.hosts import in_url

_CONNECT_LIMIT = 5.0
_LIMIT = 320.0
"""Seconds for an answer: workers are replaced one by one."""
_LONGEST_ANSWER = 256 * 1024**2


class ActRefused(Exception):
    """The gateway has not performed the act, for this reason."""


class Unreachable(Exception):
    """There is no admin API to ask, it does not know who asks, or it could not see to the act; the text is for whoever
    asked."""


class AdminClient:
    """`at` is a URL, or the path of a Unix socket where `is_socket`."""

    def __init__(self, at: str, key: str | None = None, *, is_socket: bool = False) -> None:
        """Raises Unreachable for an address that is none."""
        self.at = at
        self._key = key
        self._is_socket = is_socket
        self._host, self._port = ("localhost", 0) if is_socket else _address(at)

    def get(self, path: str) -> dict[str, Any]:
        """The outcome of an act that looks. Raises ActRefused and Unreachable."""
        return self._ask("GET", path, None)

    def send(self, method: str, path: str, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The outcome of an act with these fields. Raises ActRefused and Unreachable."""
        return self._ask(method, path, dict(fields or {}))

    def _ask(self, method: str, path: str, fields: dict[str, object] | None) -> dict[str, Any]:
        connection = self._connection()
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            connection.request(method, path, None if fields is None else msgspec.json.encode(fields), headers)
            response = connection.getresponse()
            data = response.read(_LONGEST_ANSWER)
        except TimeoutError:
            raise Unreachable(f"{self.at} has not answered in time") from None
        except OSError as error:
            raise Unreachable(self._unreachable(error)) from None
        except (http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{self.at} is no admin API: {type(error).__name__}") from None
        finally:
            connection.close()
        return self._outcome(response.status, data)

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_socket:
            return _UnixConnection(self.at)
        return http.client.HTTPConnection(self._host, self._port, timeout=_LIMIT)

    def _outcome(self, status: int, data: bytes) -> dict[str, Any]:
        try:
            body = msgspec.json.decode(data, type=dict[str, Any])
            message = None if status == 200 else str(body["error"]["message"])
            # Else it is the port of the models that knows no such key, say.
            denies = status != 401 or body["error"]["type"] == "denied"
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
            raise Unreachable(f"{self.at} is no admin API of a Flowspan gateway: it answers with {status}") from None
        if message is None:
            return body
        if not denies:
            raise Unreachable(f"{self.at} is no admin API of a Flowspan gateway: it asks for another key")
        if status in (400, 409):
            raise ActRefused(message)
        if status == 401:
            missing = "set FLOWSPAN_ADMIN_KEY to it, or name its file with --key-file"
            message = f"{message} {missing[0].upper()}{missing[1:]}." if self._key is None else message
        raise Unreachable(f"{self.at}: {message}")

    def _unreachable(self, error: OSError) -> str:
        if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
            advice = "The gateway's log has the address; it is served where gateway.admin has a key or a socket"
            return f"nobody answers at {self.at}. Is the gateway running? {advice}"
        reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)
        return f"{self.at} cannot be reached: {reason}"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_LIMIT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_LIMIT)
        self.sock.connect(self._path)
        self.sock.settimeout(_LIMIT)


def url_of(settings: AdminSettings) -> str:
    """Where an admin API with an address is asked from its own machine."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{in_url(host)}:{settings.port}"


def _address(url: str) -> tuple[str, int]:
    """Raises Unreachable."""
    try:
        found = urlsplit(url if "://" in url else f"http://{url}")
        if found.scheme == "http" and found.hostname and found.port and found.path in ("", "/"):
            return found.hostname, found.port
    except ValueError:
        pass
    raise Unreachable(f"{url} is no address of an admin API: it looks like http://127.0.0.1:4002")

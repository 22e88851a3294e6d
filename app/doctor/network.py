"""Whether an address can be reached, by the way that the gateway takes: its name is looked up, or the proxy's, a
connection made, TLS agreed on. No request is sent unless asked for, and then one that costs nothing."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult, urlsplit

from app.backends.direct.upstream_tls import context_of
from app.certificates import BadCertificate
from app.settings import UpstreamProxy, UpstreamTls
from telemetry.hosts import in_url

_TIMEOUT = 5.0
"""Seconds for each step."""
_SKEW = 60
"""Seconds that two clocks may differ by."""
_LONGEST = 16 * 1024**2
"""Bytes of a list of models."""


@dataclass(frozen=True)
class Way:
    """By which proxy, and with which TLS, an address is asked."""

    proxy: UpstreamProxy | None = None
    tls: UpstreamTls = field(default_factory=UpstreamTls)


_DIRECTLY = Way()


@dataclass(frozen=True)
class Reached:
    """`problem` is None where it was reached, in `seconds`."""

    host: str
    seconds: float = 0.0
    problem: str | None = None


class _NotReached(Exception):
    """The text says why, for the operator."""


def reach(address: str, way: Way = _DIRECTLY) -> Reached:
    """Connect to the host of an http(s) address, or to one that is written `host:port`."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    named = parts.hostname or ""
    if parts.port not in (None, 80, 443):
        named = f"{in_url(named)}:{parts.port}"
    began = time.monotonic()
    try:
        _connected(parts, way).close()
    except _NotReached as error:
        return Reached(named, problem=str(error))
    return Reached(named, time.monotonic() - began)


def _connected(parts: SplitResult, way: Way) -> HTTPConnection:
    """A connection on which the host can be asked. Raises _NotReached."""
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    first = parts if way.proxy is None else urlsplit(way.proxy.address)
    before = "" if way.proxy is None else f"the proxy {way.proxy.address}: "
    connection = HTTPConnection(first.hostname or "", first.port or port, timeout=_TIMEOUT)
    if way.proxy is not None and is_tls:
        connection.set_tunnel(host, port, _authorization(way.proxy))
    try:
        socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _NotReached(f"{before}its name is not found ({error.strerror or error})") from error
    try:
        connection.connect()
    except TimeoutError as error:
        raise _NotReached(f"{before}no answer within {_TIMEOUT:g} s") from error
    except (OSError, HTTPException) as error:
        # Python's word for a proxy that answers CONNECT with an error has neither number nor text of the system.
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise _NotReached(f"{before}no connection: {reason}") from error
    if is_tls:
        try:
            context = context_of(way.tls)
            connection.sock = context.wrap_socket(connection.sock, server_hostname=way.tls.server_name or host)
        except (BadCertificate, OSError) as error:
            connection.close()
            raise _NotReached(_tls_problem(error)) from error
    return connection


def _tls_problem(error: BadCertificate | OSError) -> str:
    match error:
        case BadCertificate():
            return f"its {error.part} {error}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS fails: {error.reason or error}"
        case TimeoutError():
            return f"no answer within {_TIMEOUT:g} s"
        case _:
            return f"no connection: {error.strerror or error}"


def _authorization(proxy: UpstreamProxy) -> dict[str, str]:
    return {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}


@dataclass(frozen=True)
class Reply:
    """`models` is how many models were listed, where that can be read from it; `skew` how many seconds this machine's
    clock is ahead of the server's."""

    status: int
    models: int | None = None
    skew: float | None = None


def ask(url: str, headers: Mapping[str, str], way: Way = _DIRECTLY) -> Reply | str:
    """Ask for a list of models; why there is no reply, where there is none."""
    parts = urlsplit(url)
    sent, target = dict(headers), parts._replace(scheme="", netloc="").geturl() or "/"
    if way.proxy is not None and parts.scheme == "http":
        sent, target = {**sent, **_authorization(way.proxy)}, url
    try:
        connection = _connected(parts, way)
    except _NotReached as error:
        return str(error)
    try:
        connection.request("GET", target, headers=sent)
        answer = connection.getresponse()
        body, date = answer.read(_LONGEST), answer.headers.get("date")
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    try:
        models = len(json.loads(body)["data"])
    except (ValueError, KeyError, TypeError):
        models = None
    return Reply(answer.status, models, _skew(date))


def _skew(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return ahead if abs(ahead) > _SKEW else 0.0

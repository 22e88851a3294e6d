"""Whether an address can be reached: its name is looked up, a connection made, TLS agreed on. No request is sent unless
asked for, and then one that costs nothing."""

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from telemetry.hosts import in_url

_TIMEOUT = 5.0
"""Seconds for each step."""
_SKEW = 60
"""Seconds that two clocks may differ by."""


@dataclass(frozen=True)
class Reached:
    """`problem` is None where it was reached, in `seconds`."""

    host: str
    seconds: float = 0.0
    problem: str | None = None


def reach(address: str) -> Reached:
    """Connect to the host of an http(s) address, or to one that is written `host:port`."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    named = host if port in (80, 443) else f"{in_url(host)}:{port}"
    began = time.monotonic()
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return Reached(named, problem=f"its name is not found ({error.strerror or error})")
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT) as connection:
            if is_tls:
                with ssl.create_default_context().wrap_socket(connection, server_hostname=host):
                    pass
    except ssl.SSLCertVerificationError as error:
        return Reached(named, problem=f"its certificate is not valid: {error.verify_message}")
    except ssl.SSLError as error:
        return Reached(named, problem=f"TLS fails: {error.reason or error}")
    except TimeoutError:
        return Reached(named, problem=f"no answer within {_TIMEOUT:g} s")
    except OSError as error:
        return Reached(named, problem=f"no connection: {error.strerror or error}")
    return Reached(named, time.monotonic() - began)


@dataclass(frozen=True)
class Reply:
    """`models` is how many models were listed, where that can be read from it; `skew` how many seconds this machine's
    clock is ahead of the server's."""

    status: int
    models: int | None = None
    skew: float | None = None


def ask(url: str, headers: Mapping[str, str]) -> Reply | str:
    """Ask for a list of models; why there is no reply, where there is none."""
    try:
        with requests.Session() as session:
            # The gateway goes through no proxy either.
            session.trust_env = False
            reply = session.get(url, headers=dict(headers), timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__
    try:
        models = len(reply.json()["data"])
    except (ValueError, KeyError, TypeError):
        models = None
    return Reply(reply.status_code, models, _skew(reply.headers.get("date")))


def _skew(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return ahead if abs(ahead) > _SKEW else 0.0

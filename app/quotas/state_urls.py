"""The setting `quotas.store`: what it stands for, how it is written in a log, and what is secret in it. Pure."""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from app.sqlite_urls import HINTS, sqlite_file, without_scheme

_FORMS = "expected memory, sqlite:///FILE or redis://:PASSWORD@HOST:PORT/DATABASE"
_HINTS = {
    **HINTS,
    "valkey": "the scheme is redis://",
    "postgresql": "limits are kept in SQLite or in Redis",
}
_PREFIX = "prefix"
DEFAULT_PREFIX = "flowspan"


class StateUrl(NamedTuple):
    kind: Literal["memory", "sqlite", "redis"]
    file: Path | None = None
    address: str = ""
    """A Redis's, without what is this program's alone."""
    prefix: str = DEFAULT_PREFIX
    """What names in a Redis begin with, so that others may share it."""


def read_state_url(text: str) -> StateUrl:
    """What the setting stands for. Raises ValueError that says how it is written; never with a password."""
    if text == "memory":
        return StateUrl("memory")
    scheme, colon, rest = text.partition(":")
    if not colon:
        raise without_scheme(text, _FORMS)
    if scheme == "sqlite":
        return StateUrl("sqlite", sqlite_file(rest))
    if scheme in ("redis", "rediss"):
        return _redis(text)
    raise ValueError(_FORMS + (f"; {_HINTS[scheme]}" if scheme in _HINTS else ""))


def _redis(text: str) -> StateUrl:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("expected redis://:PASSWORD@HOST:PORT/DATABASE") from None
    database, options = parts.path.strip("/"), dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.hostname or not (database == "" or database.isdecimal()):
        raise ValueError("expected redis://:PASSWORD@HOST:PORT/DATABASE, with the number of a database")
    prefix = options.pop(_PREFIX, DEFAULT_PREFIX)
    if not prefix or any(sign in prefix for sign in "{}"):
        raise ValueError("prefix must not be empty, and must have no braces")
    if unknown := sorted(set(options) - {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}):
        raise ValueError(f"{unknown[0]} is no option: there are {_PREFIX} and, for rediss://, ssl_ca_certs and others")
    return StateUrl("redis", address=urlunsplit(parts._replace(query=urlencode(options))), prefix=prefix)


def described_state(text: str) -> str:
    """The setting for people: a file with its whole path, a Redis without user, password and options."""
    url = read_state_url(text)
    if url.file is not None:
        return f"the file {url.file.absolute()}"
    if url.kind == "redis":
        parts = urlsplit(text)
        return f"the Redis {parts.netloc.rpartition('@')[2]}{parts.path}"
    return "memory"


def secrets_of_state(text: str) -> list[str]:
    """The password in the setting, as it is written there and as it is meant."""
    if not text.startswith(("redis:", "rediss:")):
        return []
    try:
        password = urlsplit(text).netloc.rpartition("@")[0].partition(":")[2]
    except ValueError:
        return []
    return list(dict.fromkeys(each for each in (password, unquote(password)) if each))

"""The setting `recorder.store`: what it stands for, how it is shown, and what is secret in it. Pure."""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from app.sqlite_urls import HINTS, sqlite_file, without_scheme

_FORMS = "expected off, memory, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
_HINTS = {
    "postgres": "the scheme is postgresql://",
    **HINTS,
    "mysql": "of databases there are SQLite and PostgreSQL",
}


class StoreUrl(NamedTuple):
    kind: Literal["off", "memory", "sqlite", "postgresql"]
    file: Path | None = None


def read_store(text: str) -> StoreUrl:
    """What the setting `store` stands for. Raises ValueError that says how it is written; never with a password."""
    if text == "off":
        return StoreUrl("off")
    if text == "memory":
        return StoreUrl("memory")
    scheme, colon, rest = text.partition(":")
    if not colon:
        raise without_scheme(text, _FORMS)
    if scheme == "sqlite":
        return StoreUrl("sqlite", sqlite_file(rest))
    if scheme == "postgresql":
        _check_postgresql(text)
        return StoreUrl("postgresql")
    raise ValueError(_FORMS + (f"; {_HINTS[scheme]}" if scheme in _HINTS else ""))


def _check_postgresql(text: str) -> None:
    try:
        parts = urlsplit(text)
        name, _ = parts.path.strip("/"), parts.port
    except ValueError:
        raise ValueError("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    if not text.startswith("postgresql://") or not name:
        raise ValueError("expected postgresql://USER:PASSWORD@HOST/DATABASE, with the name of a database")


def described_store(text: str) -> str:
    """The setting for people: a file with its whole path, a database without user, password and options."""
    url = read_store(text)
    if url.file is not None:
        return f"the file {url.file.absolute()}"
    if url.kind == "postgresql":
        parts = urlsplit(text)
        return f"the database {parts.netloc.rpartition('@')[2]}{parts.path}"
    return url.kind


def secrets_of_store(text: str) -> list[str]:
    """The passwords in the setting, as they are written there and as they are meant."""
    if not text.startswith("postgresql:"):
        return []
    try:
        parts = urlsplit(text)
    except ValueError:
        return []
    credentials = parts.netloc.rpartition("@")[0].partition(":")[2]
    options = [value for name, value in parse_qsl(parts.query) if "password" in name]
    return list(dict.fromkeys(each for each in (credentials, unquote(credentials), *options) if each))

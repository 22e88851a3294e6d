"""Where a value of a request may be taken from, as an operator writes it.

    header:NAME            a header
    body:NAME.NAME         a field of the JSON body, by the names that lead to it
    header:NAME/FIELD      a field within that text, which is JSON or in Claude Code's form (`composite`)
    baggage:KEY            a member of the W3C `baggage` header
    previous_response      the conversation of the response that `previous_response_id` names
    fingerprint            a hash of how the conversation begins (`fingerprint`)

The last two are sources of conversations alone. Headers that hold credentials, and the fields that hold what models
read, are no sources.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.request_ids.composite import fields_of
from app.request_ids.conversations import Conversations
from app.request_ids.fingerprint import fingerprint
from app.request_ids.request import IdCarrier

Getter = Callable[[IdCarrier], str | None]
Kind = Literal["header", "body", "baggage", "fingerprint"]
PREVIOUS_RESPONSE_ID = "previous_response_id"
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")
_PATH = re.compile(r"\w[\w-]{0,127}(?:\.\w[\w-]{0,127}){0,3}")
_KEY = re.compile(r"[\w!#$%&'*+.^`|~-]{1,128}")
_FIELD = re.compile(r"[\w-]{1,128}")
_CREDENTIALS = re.compile(r"authori[sz]ation|cookie|api[-_]?key|access[-_]?key|secret|passw|token|credential")
_CONTENT = frozenset(
    {"functions", "input", "instructions", "messages", "prediction", "prompt", "suffix", "system", "text", "tools"}
)
_EXPECTED = "expected header:NAME, body:PATH or baggage:KEY"


class BadSource(ValueError):
    """A text that is no source, or a source that nothing may be taken from."""


@dataclass(frozen=True)
class Source:
    """A source of values. `kind` and `name` are what has to be there for `get` to find something: a header, a field at
    the top of the body, or a baggage key."""

    kind: Kind
    name: str
    get: Getter


def parse_source(text: str) -> Source:
    """The source of a header's, a field's or a baggage member's text. Raises BadSource."""
    kind, colon, rest = text.partition(":")
    name, slash, field = rest.partition("/")
    if not colon or kind not in ("header", "body", "baggage"):
        raise BadSource(_EXPECTED)
    if slash and not _FIELD.fullmatch(field):
        raise BadSource(f"no field can have the name behind the slash; {_EXPECTED}")
    match kind:
        case "header":
            source = _header(name.lower())
        case "body":
            source = _body(name)
        case _:
            source = _baggage(name)
    return Source(source.kind, source.name, _within(source.get, field)) if slash else source


def parse_conversation_source(text: str, conversations: Conversations) -> Source:
    """The source of a conversation's id. Raises BadSource."""
    match text:
        case "fingerprint":
            return Source("fingerprint", "", _fingerprint)
        case "previous_response":
            return Source("body", PREVIOUS_RESPONSE_ID, _previous(conversations))
    try:
        return parse_source(text)
    except BadSource as error:
        raise BadSource(str(error).replace(_EXPECTED, f"{_EXPECTED}, previous_response or fingerprint")) from None


def _header(name: str) -> Source:
    if not _HEADER.fullmatch(name):
        raise BadSource(f"no header can have this name; {_EXPECTED}")
    if _CREDENTIALS.search(name):
        raise BadSource("a header that holds a credential is recorded nowhere")
    return Source("header", name, lambda request: _unicode(request.headers.get(name)))


def _unicode(text: str | None) -> str | None:
    """A header's text, in which each byte is a character, as the text that the client had: most send UTF-8."""
    if text is None or text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _body(path: str) -> Source:
    if not _PATH.fullmatch(path):
        raise BadSource("expected the names of at most four fields with dots between them, as in body:metadata.user_id")
    first, *inner = path.split(".")
    if first in _CONTENT:
        raise BadSource("what models read is recorded by capture_content alone")

    def value(request: IdCarrier) -> str | None:
        found = request.body.get(first)
        for name in inner:
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return _text(found)

    return Source("body", first, value)


def _baggage(key: str) -> Source:
    if not _KEY.fullmatch(key):
        raise BadSource(f"no baggage can have this key; {_EXPECTED}")
    if _CREDENTIALS.search(key.lower()):
        raise BadSource("baggage that holds a credential is recorded nowhere")
    return Source("baggage", key, lambda request: request.baggage.get(key))


def _within(outer: Getter, field: str) -> Getter:
    def value(request: IdCarrier) -> str | None:
        text = outer(request)
        return _text(fields_of(text).get(field)) if text else None

    return value


def _previous(conversations: Conversations) -> Getter:
    def value(request: IdCarrier) -> str | None:
        response_id = _text(request.body.get(PREVIOUS_RESPONSE_ID))
        return conversations.of(response_id) if response_id else None

    return value


def _fingerprint(request: IdCarrier) -> str | None:
    return None if request.beginning is None else fingerprint(request.beginning, request.scope)


def _text(value: object) -> str | None:
    """A text, or a number as text; None for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None

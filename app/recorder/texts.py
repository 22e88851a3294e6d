"""The words of a recording that can be searched: what people and models wrote, without pictures and the like."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from app.recorder.recording import Piece, Recording

LIMIT = 512 * 1024
"""Characters of a request, or of an answer, that can be found; of more, the first and the last half of these."""
_PIECE = 16 * 1024
"""Characters that are looked at without a break, in which no other thread runs."""
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{200,}")
"""Signatures, pictures and files in base64: nobody looks for them."""
_TECHNICAL = frozenset(
    {"type", "id", "object", "role", "event_id", "item_id", "signature", "encrypted_content", "model"}
)
"""Fields that stand in every event and say nothing of a text. The ids of a transaction are searched beside them."""
_STREAMED = re.compile(
    rb'"(arguments|content|delta|message|name|partial_json|reasoning|reasoning_content|refusal|text|thinking)"'
    rb'\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"'
)
"""The fields of a stream's events, of whichever API, whose texts are pieces of what is said, called or thought."""
_WORD = re.compile(r"[^\W_]+")
_IDEOGRAPH = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
"""Scripts without spaces between words: each character is a word."""


def searchable(recording: Recording) -> str:
    """Everything in which words are looked for."""
    entry = recording.entry
    ids = [entry.transaction_id, entry.trace_id, entry.conversation, entry.agent, entry.user, entry.deployment]
    ids += [attempt.request_id for attempt in recording.attempts]
    texts = [each for each in ids if each]
    texts.append(_bounded("\n".join(_request(recording.request.data))))
    texts.append(_bounded(_answer(recording.answer or _last_answer(recording))))
    return _spaced("\n".join(texts)).replace("\0", " ")


class Term(NamedTuple):
    """A word that is looked for, in small letters; `begins`: whether longer words that begin so are meant, too."""

    word: str
    begins: bool


def terms_of(text: str) -> list[Term]:
    """The words of a search, as they are told apart in texts. One or two letters are a word, not a beginning."""
    return [Term(word, len(word) > 2) for word in _WORD.findall(_spaced(text).lower())]


def distinct_words(text: str, longest: int, most_bytes: int) -> list[str]:
    """The words of a text in small letters, each once and cut after `longest` characters, as many as `most_bytes` take.
    Piece by piece, for other threads to run between."""
    found: dict[str, None] = {}
    at = size = 0
    while at < len(text) and size < most_bytes:
        end = text.rfind(" ", at, at + _PIECE) + 1 or at + _PIECE
        for word in _WORD.findall(text[at:end].lower()):
            if word[:longest] not in found and (size := size + len(word[:longest].encode()) + 4) < most_bytes:
                found[word[:longest]] = None
        at = end
    return list(found)


def _spaced(text: str) -> str:
    """The text in which each word has spaces or punctuation around it. Piece by piece, for others to run between."""
    if text.isascii():
        return text
    return "".join(_IDEOGRAPH.sub(r" \1 ", text[at : at + _PIECE]) for at in range(0, len(text), _PIECE))


def _last_answer(recording: Recording) -> Sequence[Piece]:
    return recording.attempts[-1].answer if recording.attempts else ()


def _bounded(text: str) -> str:
    return text if len(text) <= LIMIT else f"{text[: LIMIT // 2]}\n{text[-LIMIT // 2 :]}"


def _request(data: bytes) -> Iterator[str]:
    body = _json(data)
    return _strings(body) if body is not None else iter([_readable(data)])


def _answer(pieces: Sequence[Piece]) -> str:
    """The texts of an answer; those of a stream's events are joined, so that no word is cut in two."""
    data = b"".join([piece.data for piece in pieces])
    body = _json(data)
    if body is not None:
        return "\n".join(_strings(body))
    texts: dict[bytes, list[bytes]] = {}
    for lines in _in_pieces(data if len(data) <= 4 * LIMIT else data[: 2 * LIMIT] + data[-2 * LIMIT :]):
        for key, text in _STREAMED.findall(lines):
            texts.setdefault(key, []).append(text)
    return "\n".join(_unescaped(b"".join(each)) for each in texts.values()) if texts else _readable(data)


def _in_pieces(data: bytes) -> Iterator[bytes]:
    """The data in pieces of whole lines, of about 64 KiB where lines are not longer than that."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at + 4 * _PIECE) + 1 or len(data)
        yield data[at:end]
        at = end


def _unescaped(text: bytes) -> str:
    """A text as it stands in JSON, without its quotation marks, as it reads."""
    found = _json(b'"%s"' % text)
    return found if isinstance(found, str) else _readable(text)


def _json(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _readable(data: bytes) -> str:
    return _OPAQUE.sub(" ", data[: 2 * LIMIT].decode("utf-8", "replace"))


def _strings(value: object) -> Iterator[str]:
    return (text for _, text in _keyed_strings(value))


def _keyed_strings(value: object) -> Iterator[tuple[str, str]]:
    """All strings in a JSON value, in order, with the name of their field; an element of an array has its array's."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        key, each = waiting.pop()
        if isinstance(each, str):
            if not each.startswith("data:") and not _OPAQUE.fullmatch(each, 0, _PIECE):
                yield key, each
        elif isinstance(each, dict):
            waiting += [(name, inner) for name, inner in reversed(each.items()) if name not in _TECHNICAL]
        elif isinstance(each, list):
            waiting += [(key, inner) for inner in reversed(each)]

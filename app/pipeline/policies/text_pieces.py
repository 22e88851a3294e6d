"""Texts of an answer that come in pieces and that no hook of their own is called for. Pure.

A refusal, a transcript of speech, code or arguments of the provider's own tools: each belongs to an answer (`n`) or to
an item or block of the provider's, and is whole when that ends.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.dialects import DIALECTS
from app.messages import ModelResponse, Received
from app.text_fields import kind_of

Event = dict[str, Any]
_SPOKEN = frozenset({"transcript", "text", "content", "summary", "reasoning", "thinking", "thought", "delta"})
Whole = tuple[list[tuple[Received, str]], str]
"""Chunks with the piece that each holds, and the pieces joined."""


class Piece(NamedTuple):
    scope: str
    """`choice` or `block`."""
    number: object
    kind: str
    text: str


class Pieces:
    """The pieces that are kept back until their text is whole."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, object, str], list[tuple[Received, str]]] = {}

    def hold(self, received: Received, piece: Piece) -> None:
        self._held.setdefault((piece.scope, piece.number, piece.kind), []).append((received, piece.text))

    def ended_by(self, chunk: ModelResponse, event: Event | None) -> Iterator[Whole]:
        if not self._held:
            return
        ended = _ended(chunk, event)
        for key in [key for key in self._held if key[:2] in ended or (key[0], ...) in ended]:
            yield _whole(self._held.pop(key))

    def all(self) -> Iterator[Whole]:
        while self._held:
            yield _whole(self._held.pop(next(iter(self._held))))


def _whole(held: list[tuple[Received, str]]) -> Whole:
    return held, "".join([text for _, text in held])


def piece_of(received: Received, event: Event | None, owned: set[str]) -> Piece | None:
    """The piece of such a text that the chunk holds; None if it holds none, or something else too."""
    chunk = received.chunk
    if len(chunk.choices) == 1 and (choice := chunk.choices[0]).finish_reason is None and choice.delta is not None:
        delta = choice.delta
        if delta.refusal and not owned and not delta.tool_calls:
            return Piece("choice", choice.index, "refusal", delta.refusal)
        texts = (
            []
            if owned or not _is_chat(received)
            else [(name, text) for name, field in delta.extra.items() for text in _spoken(field, name)]
        )
        if len(texts) == 1:
            return Piece("choice", choice.index, *texts[0])
    if event is None or chunk.choices:
        return None
    return _piece_of_event(event)


def _is_chat(received: Received) -> bool:
    """Whether pieces come as fields of a delta: other dialects have events for them, and fields hold whole texts."""
    return received.native is None or DIALECTS[received.native.dialect].streams_choices


def _spoken(field: object, name: str) -> Iterator[str]:
    """The pieces of text in a field of a delta that the common form does not know, found by the names of fields."""
    if isinstance(field, str) and field and name in _SPOKEN:
        yield field
    elif isinstance(field, dict):
        for inner_name, inner in field.items():
            yield from _spoken(inner, inner_name)
    elif isinstance(field, list):
        for inner in field:
            yield from _spoken(inner, name)


def _piece_of_event(event: Event) -> Piece | None:
    kind, delta = str(event.get("type")), event.get("delta")
    if delta and isinstance(delta, str) and kind.endswith(".delta"):
        return Piece("block", event.get("output_index"), kind, delta) if kind_of("delta", kind) == "text" else None
    if kind != "content_block_delta" or not isinstance(delta, dict):
        return None
    texts = [value for name, value in delta.items() if value and isinstance(value, str) and kind_of(name) == "text"]
    return Piece("block", event.get("index"), str(delta.get("type")), texts[0]) if len(texts) == 1 else None


def _ended(chunk: ModelResponse, event: Event | None) -> set[tuple[str, object]]:
    ended: set[tuple[str, object]] = {("choice", one.index) for one in chunk.choices if one.finish_reason is not None}
    if ended:
        ended.add(("block", ...))
    kind = str(event.get("type")) if event is not None else ""
    if event is not None and kind == "content_block_stop":
        ended.add(("block", event.get("index")))
    elif event is not None and kind.endswith(".done"):
        ended.add(("block", event.get("output_index")))
        if "refusal" in kind or kind in ("response.content_part.done", "response.output_item.done"):
            ended.add(("choice", 0))
    return ended

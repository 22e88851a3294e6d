"""Servers that leave out the numbers of items, parts and events (llama.cpp's does), before an edit and after it."""

import json
from typing import Any

import pytest
from hypothesis import given

from app.dialects.openai_responses.numbering import Numbering
from tests.unit.dialects.legality import events
from tests.unit.dialects.native_streams import EDITS, Edit, Event, NativeStream, edited
from tests.unit.dialects.openai_responses.legality import check_responses
from tests.unit.dialects.openai_responses.native_responses import responses_streams
from tests.unit.dialects.samples import BOUNDED

_KEEPING = ("text", "call")
"""Edits after which the beginning of each part is still where it was."""
_NUMBERS = frozenset(["output_index", "content_index", "summary_index", "annotation_index", "sequence_number"])


def _without_numbers(event: Event) -> Event:
    return {name: value for name, value in event.items() if name not in _NUMBERS}


def _bare(stream: NativeStream) -> NativeStream:
    return NativeStream(stream.dialect, [_without_numbers(event) for event in stream.events if isinstance(event, dict)])


def _sent(body: bytes) -> list[Event]:
    return [_without_numbers(json.loads(event.data)) for event in events(body)]


@given(responses_streams(), EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _KEEPING]))
@BOUNDED
def test_a_stream_without_numbers_is_changed_like_one_with_them(stream: NativeStream, edits: list[Edit]) -> None:
    bare = _bare(stream)
    assert [one.chunk.choices for one in bare.chunks] == [one.chunk.choices for one in stream.chunks]
    expected, found = (one.render(edited(one.chunks, edits)) for one in (stream, bare))
    assert _sent(found) == _sent(expected)


@given(responses_streams(), EDITS)
@BOUNDED
def test_a_stream_without_numbers_has_them_all_from_an_edit_on(stream: NativeStream, edits: list[Edit]) -> None:
    bare = _bare(stream)
    check_responses(bare.render(edited(bare.chunks[1:], edits)), native=True)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.in_progress", "response": {}},
        {"type": "response.output_item.added", "output_index": 3, "item": {}},
        {"type": "response.output_text.delta", "output_index": 3, "content_index": 2, "item_id": "x", "delta": "a"},
    ],
)
def test_an_event_that_says_its_numbers_stays_what_it_is(event: dict[str, Any]) -> None:
    assert Numbering().numbered(event) is event


def test_an_event_without_an_id_is_about_the_item_at_hand() -> None:
    numbering = Numbering()
    for id in ("a", "b"):
        numbering.numbered({"type": "response.output_item.added", "item": {"id": id}})
    delta = {"type": "response.output_text.delta", "item_id": "", "delta": "a"}
    assert numbering.numbered(delta) == {**delta, "output_index": 1, "content_index": 0}

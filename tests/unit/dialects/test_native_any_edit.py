"""Whatever a policy does to a provider's stream, what goes out is legal, and all that it left alone is still there."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given

from app.dialects.tool_calls import parsed_object
from app.messages import ModelResponse
from tests.unit.dialects.legality import OpenAIChoice, check_anthropic, check_openai, events
from tests.unit.dialects.native_streams import (
    EDITS,
    Edit,
    NativeStream,
    anthropic_streams,
    edited,
    openai_streams,
)
from tests.unit.dialects.samples import BOUNDED

streams = openai_streams() | anthropic_streams()
_IN_ORDER = {"drop", "change", "text", "call"}


def _openai(stream: NativeStream, body: bytes) -> OpenAIChoice:
    ended = b"[DONE]" in body
    return check_openai(body, stream.include_usage, ended, native=True).choices[0]


@given(streams)
@BOUNDED
def test_an_untouched_stream_is_byte_for_byte_the_providers(stream: NativeStream) -> None:
    body = stream.render(stream.chunks)
    if stream.include_usage or stream.dialect != "openai_chat":
        assert body == stream.body
    else:
        kept = [chunk for chunk in stream.chunks if chunk.usage is None or chunk.choices]
        assert body == b"".join(chunk.native.raw for chunk in kept if chunk.native is not None)


@given(openai_streams(), EDITS)
@BOUNDED
def test_an_edited_openai_stream_is_legal(stream: NativeStream, edits: list[Edit]) -> None:
    body = stream.render(edited(stream.chunks, edits))
    assert _openai(stream, body).finish_reason is not None


@given(anthropic_streams(), EDITS)
@BOUNDED
def test_an_edited_anthropic_stream_is_legal(stream: NativeStream, edits: list[Edit]) -> None:
    checked = check_anthropic(stream.render(edited(stream.chunks, edits)), native=True)
    assert all(block["text"] for block in checked.blocks if block["type"] == "text"), "an empty block of text"


@given(openai_streams(), EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@BOUNDED
def test_all_that_is_left_of_an_openai_stream_arrives(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    said = _openai(stream, stream.render(chunks))
    assert said.content == _text(chunks)
    assert [(call["id"], call["arguments"]) for call in said.calls] == _calls(chunks)


@given(anthropic_streams(), EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@BOUNDED
def test_all_that_is_left_of_an_anthropic_stream_arrives(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    checked = check_anthropic(stream.render(chunks), native=True)
    assert sorted(checked.text()) == sorted(_text(chunks))
    assert sorted((call["id"], call["json"]) for call in checked.calls()) == sorted(_calls(chunks))


@given(streams, EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@BOUNDED
def test_untouched_events_keep_what_nobody_knows(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    if any(parsed_object(arguments) is None for _, arguments in _calls(chunks)):
        return  # Beside a call that was taken apart, Anthropic's text waits for what is missing, in the common form.
    sent = {data.get("x_event") for event in events(stream.render(chunks)) if (data := _object(event.data))}
    assert set(_must_arrive(chunks)) <= sent


def _object(data: str) -> dict[str, Any]:
    return {} if data == "[DONE]" else json.loads(data)


def _must_arrive(chunks: list[ModelResponse]) -> Iterator[int]:
    """Untouched text; of Anthropic's, where its block has its own beginning."""
    begun = set()
    for chunk in chunks:
        own = chunk.native.event if chunk.native is not None else None
        if own is None:
            continue
        if own.get("type") == "content_block_start":
            begun.add(own["index"])
        said = chunk.choices[0].delta if chunk.choices else None
        if said is not None and said.content and ("index" not in own or own["index"] in begun):
            yield own["x_event"]


def _text(chunks: list[ModelResponse]) -> str:
    return "".join(choice.delta.content or "" for one in chunks for choice in one.choices if choice.delta)


def _calls(chunks: list[ModelResponse]) -> list[tuple[str, str]]:
    """What is left of the calls that still have their beginning."""
    begun: dict[int, list[str]] = {}
    ids: dict[int, str] = {}
    early: dict[int, str] = {}
    for one in chunks:
        for choice in one.choices:
            for call in choice.delta.tool_calls if choice.delta else ():
                if call.function.name and call.index not in begun:
                    begun[call.index], ids[call.index] = [early.pop(call.index, "")], call.id or ""
                if call.index in begun:
                    begun[call.index].append(call.function.arguments)
                else:
                    early[call.index] = early.get(call.index, "") + call.function.arguments
    return [(ids[index], "".join(arguments)) for index, arguments in begun.items()]

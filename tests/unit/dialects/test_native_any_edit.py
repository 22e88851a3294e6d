"""Whatever a policy does to a provider's stream, what goes out is legal, and all that it left alone is still there."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.dialects.tool_calls import parsed_object
from app.messages import Choice, Function, Message, Received, part_of
from tests.unit.dialects.legality import OpenAIChoice, check_anthropic, check_openai, events
from tests.unit.dialects.native_streams import (
    EDITS,
    Edit,
    NativeStream,
    anthropic_streams,
    edited,
    openai_streams,
)
from tests.unit.dialects.openai_responses.legality import check_responses
from tests.unit.dialects.openai_responses.native_responses import responses_streams, text_at_its_end
from tests.unit.dialects.samples import BOUNDED

streams = openai_streams() | anthropic_streams() | responses_streams()
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
        kept = [chunk for chunk in stream.chunks if chunk.chunk.usage is None or chunk.chunk.choices]
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


@given(responses_streams(), EDITS)
@BOUNDED
def test_an_edited_responses_stream_is_legal(stream: NativeStream, edits: list[Edit]) -> None:
    check_responses(stream.render(edited(stream.chunks, edits)), native=True)


@given(responses_streams(), st.sampled_from(["change", "drop"]))
@BOUNDED
def test_what_was_taken_out_of_every_chunk_comes_back_nowhere(stream: NativeStream, edit: str) -> None:
    """Not where a text is complete, nor with its item, nor with the whole response."""
    kept = [
        _masked(chunk) if edit == "change" else chunk
        for chunk in stream.chunks
        if edit == "change" or not _has_answer(chunk)
    ]
    checked = check_responses(stream.render(kept), native=True)
    assert set(checked.text() + checked.thinking()) <= {"#"}
    assert all(set(call["arguments"]) <= {"#"} for call in checked.calls())


@given(openai_streams(), EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@BOUNDED
def test_all_that_is_left_of_an_openai_stream_arrives(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    stream_content = _openai(stream, stream.render(chunks))
    assert stream_content.content == _text(chunks)
    calls = [(id, arguments or "{}") for id, arguments in _calls(chunks)]
    assert [(call["id"], call["arguments"] or "{}") for call in stream_content.calls] == calls


@given(anthropic_streams(), EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@BOUNDED
def test_all_that_is_left_of_an_anthropic_stream_arrives(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    checked = check_anthropic(stream.render(chunks), native=True)
    assert sorted(checked.text()) == sorted(_text(chunks))
    assert sorted((call["id"], call["json"]) for call in checked.calls()) == sorted(_calls(chunks))


@given(responses_streams(), EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@BOUNDED
def test_all_that_is_left_of_a_responses_stream_arrives(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    checked = check_responses(stream.render(chunks), native=True)
    assert sorted(checked.text()) == sorted(_text(chunks))
    assert sorted((call["id"], call["arguments"]) for call in checked.calls()) == sorted(_calls(chunks))


@given(streams, EDITS.map(lambda edits: [edit for edit in edits if edit.kind in _IN_ORDER]))
@example(text_at_its_end(), [Edit("drop", 2)])
@BOUNDED
def test_untouched_events_keep_what_nobody_knows(stream: NativeStream, edits: list[Edit]) -> None:
    chunks = edited(stream.chunks, edits)
    if any(parsed_object(arguments) is None for _, arguments in _calls(chunks)):
        return  # Beside a call that was taken apart, Anthropic's text waits for what is missing, in the common form.
    sent = {data.get("x_event") for event in events(stream.render(chunks)) if (data := _object(event.data))}
    assert set(_must_arrive(chunks)) <= sent


def _object(data: str) -> dict[str, Any]:
    return {} if data == "[DONE]" else json.loads(data)


def _must_arrive(chunks: list[Received]) -> Iterator[int]:
    """Untouched text; where it lies in blocks or items, that of one that has its own beginning."""
    begun = set()
    for received in chunks:
        event = received.native.event if received.native is not None else None
        if event is None:
            continue
        if event.get("type") in ("content_block_start", "response.output_item.added"):
            begun.add(_position(event))
        delta = received.chunk.choices[0].delta if received.chunk.choices else None
        if delta is not None and delta.content and _position(event) in (None, *begun):
            yield event["x_event"]


def _position(event: dict[str, Any]) -> int | None:
    return event.get("index", event.get("output_index"))


def _has_answer(received: Received) -> bool:
    return any(
        choice.delta and (choice.delta.content or choice.delta.reasoning_content or _arguments(choice.delta))
        for choice in received.chunk.choices
    )


def _masked(received: Received) -> Received:
    if not _has_answer(received):
        return received
    chunk = received.chunk
    return Received(part_of(chunk, tuple(map(_masked_choice, chunk.choices)), chunk.usage))


def _masked_choice(choice: Choice) -> Choice:
    delta = choice.delta or Message()
    calls = tuple(
        replace(call, function=Function(call.function.name, "#" * bool(call.function.arguments)))
        for call in delta.tool_calls
    )
    masked = replace(
        delta,
        content="#" if delta.content else None,
        reasoning_content="#" if delta.reasoning_content else None,
        tool_calls=calls,
    )
    return replace(choice, delta=masked)


def _arguments(message: Message) -> str:
    return "".join(call.function.arguments for call in message.tool_calls)


def _text(chunks: list[Received]) -> str:
    return "".join(choice.delta.content or "" for one in chunks for choice in one.chunk.choices if choice.delta)


def _calls(chunks: list[Received]) -> list[tuple[str, str]]:
    """What is left of the calls that still have their beginning."""
    begun: dict[int, list[str]] = {}
    ids: dict[int, str] = {}
    early: dict[int, str] = {}
    for one in chunks:
        for choice in one.chunk.choices:
            for call in choice.delta.tool_calls if choice.delta else ():
                if call.function.name and call.index not in begun:
                    begun[call.index], ids[call.index] = [early.pop(call.index, "")], call.id or ""
                if call.index in begun:
                    begun[call.index].append(call.function.arguments)
                else:
                    early[call.index] = early.get(call.index, "") + call.function.arguments
    return [(ids[index], "".join(arguments)) for index, arguments in begun.items()]

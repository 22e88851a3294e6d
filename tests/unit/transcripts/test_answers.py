"""A recorded answer reads as its provider meant it, whatever its API, and whatever is wrong with it."""

import json
from typing import Any

import pytest

from app.messages import OpaquePart, TextPart, ThinkingPart, ToolCallPart
from app.recorder.recording import Piece
from app.transcripts.answers import read_answer


def _stream(*events: Any, name: bool = False) -> tuple[Piece, ...]:
    """Each event in a piece of its own, a tenth of a second after the one before."""
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    heads = [f"event: {event['type']}\n" if name and isinstance(event, dict) else "" for event in events]
    return tuple(
        Piece(at / 10, f"{head}data: {text}\n\n".encode())
        for at, (head, text) in enumerate(zip(heads, texts, strict=True), 1)
    )


def _delta(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _block(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


CLAUDE = (
    {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 9}}},
    _block(0, type="thinking", thinking="", signature=""),
    _delta(0, type="thinking_delta", thinking="Let me "),
    _delta(0, type="thinking_delta", thinking="look."),
    _delta(0, type="signature_delta", signature="c2ln"),
    {"type": "content_block_stop", "index": 0},
    _block(1, type="text", text=""),
    _delta(1, type="text_delta", text="I read the file."),
    {"type": "content_block_stop", "index": 1},
    _block(2, type="tool_use", id="toolu_1", name="Read", input={}),
    _delta(2, type="input_json_delta", partial_json='{"path":'),
    _delta(2, type="input_json_delta", partial_json='"a.py"}'),
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
)


def test_a_streamed_message_has_its_parts_in_their_order() -> None:
    answer = read_answer(_stream(*CLAUDE, name=True))

    (choice,) = answer.choices
    assert choice.parts == (
        ThinkingPart("Let me look.", "c2ln"),
        TextPart("I read the file."),
        ToolCallPart("toolu_1", "Read", '{"path":"a.py"}'),
    )
    assert (answer.api, answer.is_complete, answer.note, answer.error) == ("anthropic_messages", True, None, None)
    assert answer.events == len(CLAUDE)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 7)


def test_a_stream_that_was_cut_reads_as_far_as_it_came() -> None:
    answer = read_answer(_stream(*CLAUDE[:8], name=True))

    assert [type(part) for part in answer.choices[0].parts] == [ThinkingPart, TextPart]
    assert not answer.is_complete


def test_blocks_of_one_kind_that_follow_each_other_stay_apart() -> None:
    answer = read_answer(
        _stream(
            CLAUDE[0],
            _block(0, type="text", text=""),
            _delta(0, type="text_delta", text="One."),
            {"type": "content_block_stop", "index": 0},
            _block(1, type="text", text=""),
            _delta(1, type="text_delta", text="Two."),
            {"type": "content_block_stop", "index": 1},
        )
    )

    assert answer.choices[0].parts == (TextPart("One."), TextPart("Two."))


def test_a_whole_message_has_its_blocks_in_their_order() -> None:
    body = {
        "type": "message",
        "id": "msg_1",
        "model": "claude",
        "content": [
            {"type": "text", "text": "First a search."},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
            {"type": "text", "text": "Then this."},
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    answer = read_answer((Piece(0.5, json.dumps(body).encode()),))

    assert [type(part) for part in answer.choices[0].parts] == [TextPart, OpaquePart, TextPart]
    assert answer.is_complete


def test_items_of_a_response_are_read_in_their_order() -> None:
    body = {
        "object": "response",
        "id": "resp_1",
        "status": "completed",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        ],
    }
    answer = read_answer((Piece(0.5, json.dumps(body).encode()),))

    assert [type(part) for part in answer.choices[0].parts] == [ThinkingPart, ToolCallPart]


def test_chunks_of_several_choices_are_several_answers() -> None:
    chunks = [
        {"object": "chat.completion.chunk", "choices": [{"index": at % 2, "delta": {"content": text}}]}
        for at, text in enumerate("abcd")
    ]
    answer = read_answer(_stream(*chunks, "[DONE]"))

    assert [choice.text for choice in answer.choices] == ["ac", "bd"]
    assert answer.is_complete


@pytest.mark.parametrize(
    "pieces",
    [
        _stream({"type": "error", "error": {"type": "overloaded_error", "message": "Too busy."}}, name=True),
        _stream(*CLAUDE[:8], {"type": "error", "error": {"message": "Too busy."}}, name=True),
        (Piece(0.1, b'{"error": {"message": "Too busy.", "type": "server_error"}}'),),
    ],
    ids=["first", "amid", "body"],
)
def test_an_error_reads_as_its_words(pieces: tuple[Piece, ...]) -> None:
    assert read_answer(pieces).error == "Too busy."


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"", "Nothing was sent."),
        (b"<html>Bad gateway</html>", "The body is not a JSON object."),
        (b"[1, 2]", "The body is not a JSON object."),
        (b"\xff\xfe\x00\x00", "The body is not a JSON object."),
        (b'{"type": "message", "content": 7}', "The body could not be read (TypeError)."),
        (b'data: {"type": "content_block_start", "content_block": 7}\n\n', "The event at 0.100 s could not be read"),
        (b"data: {broken\n\n", "The event at 0.100 s carries no JSON object."),
        (b'data: {"candidates": []}\n\n', "The stream is of no API that is known here."),
    ],
)
def test_what_cannot_be_read_says_why(body: bytes, note: str) -> None:
    answer = read_answer((Piece(0.1, body),))

    assert answer.note is not None
    assert answer.note.startswith(note)


def test_half_a_character_does_not_spoil_an_answer() -> None:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "a\ud800b"}}]}

    assert read_answer(_stream(chunk)).choices[0].text == "a\ufffdb"

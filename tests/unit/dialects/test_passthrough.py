"""The one machine that follows a provider's stream: its modes, what it holds, and how it ends."""

import json
from typing import Any

import pytest

from app.dialects import streaming_dialects
from app.dialects.passthrough import Mode, StreamFormatter
from app.dialects.response_edits import spread
from app.errors import UpstreamTruncated
from app.messages import Choice, Dialect, Message, Received, part_of
from tests.unit.dialects.decoding import decoded
from tests.unit.dialects.legality import events
from tests.unit.dialects.openai_responses.events import stream as responses
from tests.unit.dialects.openai_responses.events import text_events
from tests.unit.dialects.samples import request

DIALECTS: list[Dialect] = list(streaming_dialects())
EACH = pytest.mark.parametrize("dialect", DIALECTS)
ERROR = UpstreamTruncated("It broke off.")


def sse(*rows: dict[str, Any] | str, named: bool = False) -> bytes:
    lines = [(f"event: {row['type']}\n" if named and isinstance(row, dict) else "", row) for row in rows]
    return "".join(
        f"{name}data: {row if isinstance(row, str) else json.dumps(row)}\n\n" for name, row in lines
    ).encode()


def _chat(name: str) -> bytes:
    base = {"id": "x", "created": 5, "model": "gpt"}
    texts: list[Any] = [{"index": 0, name: {"content": "said"}}, {"index": 0, name: {"content": " all"}}]
    if name == "text":
        texts = [{"index": 0, "text": "said"}, {"index": 0, "text": " all"}]
    texts[1] |= {"finish_reason": "stop"}
    return sse(*[{**base, "choices": [row]} for row in texts], "[DONE]")


STREAMS: dict[Dialect, bytes] = {
    "openai_chat": _chat("delta"),
    "openai_completions": _chat("text"),
    "openai_responses": responses(text_events("said", " all")).body,
    "anthropic_messages": sse(
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "said"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " all"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
        named=True,
    ),
}
"""Each with an end that waits; of OpenAI's chunks, the last of the text is held with its reason to finish."""
ENDS = (b"[DONE]", b"message_stop", b"response.completed", b'"finish_reason":"stop"', b'"finish_reason": "stop"')


def formatter(dialect: Dialect) -> tuple[StreamFormatter, list[Received]]:
    chunks, error = decoded(dialect, STREAMS[dialect])
    assert error is None
    return streaming_dialects()[dialect].formatter(request(dialect), "txn", 7), chunks


def inserted(like: Received) -> Received:
    return Received(part_of(like.chunk, (Choice(delta=Message(content="<>")),)))


@EACH
def test_a_stream_is_followed_to_an_end_that_waits_for_the_last_word(dialect: Dialect) -> None:
    machine, chunks = formatter(dialect)
    body = b"".join(map(machine.format, chunks))
    assert machine.mode is Mode.FOLLOWING
    assert not any(end in body for end in ENDS)
    assert body + machine.finish() == STREAMS[dialect]
    assert machine.has_ended


@EACH
@pytest.mark.parametrize("edit", ["gap", "insertion", "other dialect"])
def test_the_first_event_that_does_not_follow_ends_it_for_good(dialect: Dialect, edit: str) -> None:
    machine, chunks = formatter(dialect)
    if edit == "other dialect":
        other: Dialect = "openai_chat" if dialect != "openai_chat" else "anthropic_messages"
        machine.format(formatter(other)[1][2])
    else:
        machine.format(chunks[0])
        machine.format(chunks[2] if edit == "gap" else inserted(chunks[0]))
    assert machine.mode is Mode.ENCODING
    for chunk in chunks[1:]:
        machine.format(chunk)
    assert machine.mode is Mode.ENCODING
    body = machine.finish()
    assert any(end in body for end in ENDS)


@EACH
@pytest.mark.parametrize("edited", [False, True])
def test_a_stream_that_fails_has_said_all_of_what_was_held_but_its_end(dialect: Dialect, edited: bool) -> None:
    machine, chunks = formatter(dialect)
    body = b"".join(map(machine.format, [*([inserted(chunks[0])] if edited else []), *chunks]))
    body += machine.fail(ERROR)
    text = "".join(_text(json.loads(event.data)) for event in events(body) if event.data != "[DONE]")
    assert text.replace("<>", "") == "said all"
    assert b"It broke off." in events(body)[-1].data.encode()
    assert not any(end in body for end in ENDS)


def _text(event: dict[str, Any]) -> str:
    if event.get("choices"):
        choice = event["choices"][0]
        return str(choice.get("text") or choice.get("delta", {}).get("content") or "")
    delta = event.get("delta") or ""
    return str(delta if isinstance(delta, str) else delta.get("text") or "")


@EACH
def test_after_its_end_nothing_comes(dialect: Dialect) -> None:
    for end in (StreamFormatter.finish, lambda machine: machine.fail(ERROR)):
        machine, chunks = formatter(dialect)
        assert machine.format(chunks[0]) or machine.keepalive()
        assert end(machine)
        assert machine.has_ended
        rest = [machine.format(chunks[1]), machine.format(inserted(chunks[1])), machine.finish(), machine.fail(ERROR)]
        assert b"".join([*rest, machine.keepalive()]) == b""


@pytest.mark.parametrize(
    ("text", "over", "pieces"),
    [
        ("ab", ["a", "b"], ["a", "b"]),
        ("Ab", ["a", "b"], ["A", "b"]),
        ("aB", ["a", "b"], ["a", "B"]),
        ("ab.", ["a", "b"], ["a", "b."]),
        ("axb", ["a", "b"], ["ax", "b"]),
        ("b", ["a", "b"], ["", "b"]),
        ("", ["a", "b"], ["", ""]),
        ("see [X] now. And [X] too", ["see bob now.", " And eve too"], ["see [X] now.", " And [X] too"]),
        ("a [X] b [X] c", ["a bob b", " amy", " c"], ["a [X] b", " [X]", " c"]),
        ("xyz", ["one", "two"], ["", "xyz"]),
        ("x", [], []),
    ],
)
def test_an_edited_text_is_cut_where_its_pieces_were(text: str, over: list[str], pieces: list[str]) -> None:
    assert spread(text, over) == pieces

"""Heads of responses in forms that are not their API's: whole or streamed, the answer is a good one."""

import json
from typing import Any

import pytest

from app.dialects.anthropic_messages.response_decoding import decode_response as from_anthropic
from app.dialects.openai_chat.response_decoding import decode_response as from_chat
from app.dialects.openai_completions.response_decoding import decode_response as from_completions
from app.dialects.openai_responses.response_decoding import decode_response as from_responses
from app.dialects.response_checks import checked
from app.dialects.response_heads import id_in, unix_time
from app.messages import Dialect
from tests.unit.dialects.decoding import decoded

_CHOICE = {"index": 0, "finish_reason": "stop"}
_MESSAGE = {"role": "assistant", "content": "a"}
_CHAT = {"choices": [{**_CHOICE, "message": _MESSAGE}]}
_TEXT = {"choices": [{**_CHOICE, "text": "a"}]}
_ITEM = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
_ANTHROPIC = {"type": "message", "content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}
_DECODERS: list[tuple[Any, dict[str, Any]]] = [
    (from_chat, _CHAT),
    (from_completions, _TEXT),
    (from_responses, {"status": "completed", "output": [_ITEM]}),
    (from_anthropic, _ANTHROPIC),
]


@pytest.mark.parametrize(("given", "id"), [(5, "5"), ("x", "x"), ("", ""), (None, ""), (0, "0")])
def test_an_id_is_a_text(given: object, id: str) -> None:
    assert id_in(given) == id


@pytest.mark.parametrize("given", [None, "", "2026-11-29T14:00:00Z", [7], float("inf"), float("nan")])
def test_a_time_of_another_form_is_none(given: object) -> None:
    assert unix_time(given) == 0


@pytest.mark.parametrize("given", [7, 7.9, "7"])
def test_seconds_are_a_time_however_they_are_written(given: object) -> None:
    assert unix_time(given) == 7


@pytest.mark.parametrize(("decode", "body"), _DECODERS)
def test_a_whole_answer_may_have_an_id_and_a_time_of_another_form(decode: Any, body: dict[str, Any]) -> None:
    time = "2026-11-29T14:00:00Z"
    response = checked(decode({"id": 5, "created": time, "created_at": time, "model": "m", **body}))
    assert (response.id, response.created) == ("5", 0)


_STREAMS: dict[Dialect, list[Any]] = {
    "openai_chat": [{"choices": [{**_CHOICE, "delta": _MESSAGE}]}, "[DONE]"],
    "openai_completions": [_TEXT, "[DONE]"],
    "openai_responses": [
        {
            "type": f"response.{kind}",
            "response": {"id": 5, "created_at": "2026-11-29", "status": kind, "output": output},
        }
        for kind, output in (("created", []), ("completed", [_ITEM]))
    ],
    "anthropic_messages": [
        {"type": "message_start", "message": {"id": 5, "content": []}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ],
}


@pytest.mark.parametrize("dialect", _STREAMS)
def test_so_may_a_stream(dialect: Dialect) -> None:
    head = {"id": 5, "created": "2026-11-29"}
    rows = [row if isinstance(row, str) else json.dumps({**head, **row}) for row in _STREAMS[dialect]]
    chunks, error = decoded(dialect, "".join(f"data: {row}\n\n" for row in rows).encode())
    assert error is None
    assert {(one.chunk.id, one.chunk.created) for one in chunks} == {("5", 0)}

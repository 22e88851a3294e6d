"""An answer's id in the form of its client's dialect."""

import json
from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_completions, openai_responses, streaming_dialects
from app.dialects.anthropic_messages.ids import message_id
from app.dialects.translation.ids import with_prefix
from app.messages import Choice, Dialect, Message, ModelResponse, Received
from tests.unit.dialects.decoding import decoded
from tests.unit.dialects.legality import events
from tests.unit.dialects.samples import chunk, request


@pytest.mark.parametrize(
    ("id", "message", "completion", "response", "text"),
    [
        ("chatcmpl-Ab1", "msg_Ab1", "chatcmpl-Ab1", "resp_Ab1", "cmpl-Ab1"),
        ("cmpl-Ab1", "msg_Ab1", "chatcmpl-Ab1", "resp_Ab1", "cmpl-Ab1"),
        ("msg_01Ab", "msg_01Ab", "chatcmpl-01Ab", "resp_01Ab", "cmpl-01Ab"),
        ("msg_bdrk_01", "msg_bdrk_01", "chatcmpl-bdrk_01", "resp_bdrk_01", "cmpl-bdrk_01"),
        ("resp_0Ab", "msg_0Ab", "chatcmpl-0Ab", "resp_0Ab", "cmpl-0Ab"),
        ("gen-17.5/x", "msg_17_5_x", "gen-17.5/x", "gen-17.5/x", "gen-17.5/x"),
        ("0a1b2c", "msg_0a1b2c", "0a1b2c", "0a1b2c", "0a1b2c"),
        ("resp-", "msg_resp-", "resp-", "resp-", "resp-"),
        ("", "", "", "", ""),
    ],
)
def test_what_stands_behind_the_prefix_stays(id: str, message: str, completion: str, response: str, text: str) -> None:
    assert message_id(id) == message
    assert with_prefix(id, "chatcmpl-") == completion
    assert with_prefix(id, "resp_") == response
    assert with_prefix(id, "cmpl-") == text


def test_whole_answers_and_streams_have_the_same_id() -> None:
    whole = ModelResponse(id="msg_01Ab", choices=(Choice(message=Message(content="a"), finish_reason="stop"),))
    streamed = ModelResponse(id="msg_01Ab", choices=chunk("stop", content="a").choices)
    for dialect, name, expected in (
        (openai_chat, "openai_chat", b'"id":"chatcmpl-01Ab"'),
        (openai_completions, "openai_completions", b'"id":"cmpl-01Ab"'),
        (openai_responses, "openai_responses", b'"id":"resp_01Ab"'),
    ):
        asked = request(name)  # type: ignore[arg-type]
        assert dialect.encode_response(whole, asked)["id"].encode() in expected
        assert expected in dialect.DIALECT.formatter(asked, "txn", 7).format(Received(streamed))
    openai = ModelResponse(id="chatcmpl-Ab1", choices=streamed.choices)
    asked = request("anthropic_messages")
    assert b'"id":"msg_Ab1"' in anthropic_messages.DIALECT.formatter(asked, "txn", 7).format(Received(openai))
    assert anthropic_messages.encode_response(openai, asked)["id"] == "msg_Ab1"


@pytest.mark.parametrize("dialect", streaming_dialects())
def test_an_id_of_the_gateways_is_the_same_in_whole_answers_and_streams(dialect: Dialect) -> None:
    api = streaming_dialects()[dialect]
    formatter = api.formatter(request(dialect), "txn_01Ab", 7)
    sent = events(formatter.format(Received(ModelResponse(choices=chunk(content="a").choices))))[0]
    first = json.loads(sent.data)
    assert (first.get("message") or first.get("response") or first)["id"] == api.new_id("txn_01Ab")
    assert api.new_id("txn_01Ab") == f"{api.id_prefix}01Ab" != "01Ab"


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_completions"])
def test_an_id_that_was_sent_stays_when_the_stream_is_edited(dialect: Dialect) -> None:
    choice: dict[str, Any] = (
        {"index": 0, "text": "a"} if dialect == "openai_completions" else {"delta": {"content": "a"}}
    )
    row = json.dumps({"id": "msg_01Ab", "created": 5, "model": "m", "choices": [choice]})
    (native,), _ = decoded(dialect, f"data: {row}\n\n".encode())
    formatter = streaming_dialects()[dialect].formatter(request(dialect), "txn", 7)
    body = formatter.format(native) + formatter.format(Received(native.chunk))
    assert [json.loads(event.data)["id"] for event in events(body)] == ["msg_01Ab", "msg_01Ab"]

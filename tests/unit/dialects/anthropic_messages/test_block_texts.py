"""What only Anthropic's blocks can say reaches providers of other APIs as text."""

from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.errors import InvalidRequest
from app.messages import Request

_FOUND = {
    "type": "search_result",
    "title": "t",
    "source": "https://example.org",
    "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
    "citations": {"enabled": True},
}
_PAGES = {"type": "document", "title": "t", "source": {"type": "content", "content": [{"type": "text", "text": "one"}]}}
_CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}}


def asked(*content: dict[str, Any], **fields: Any) -> Request:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(content)}], **fields}
    return anthropic_messages.decode_request(body, {})


def result(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "c", "content": list(content), **fields}


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (_FOUND, "t\nhttps://example.org\n\none\n\ntwo"),
        (_PAGES, "t\n\none"),
        ({"type": "document", "source": {"type": "content", "content": "one"}}, "one"),
        ({"type": "compaction", "content": "so far"}, "so far"),
    ],
)
def test_texts_of_blocks_are_read(block: dict[str, Any], text: str) -> None:
    chat = openai_chat.encode_request(asked(block, result(block)))["messages"]
    assert [message["content"] for message in chat] == [[{"type": "text", "text": text}]] * 2
    items = openai_responses.encode_request(asked(block, result(block)))["input"]
    assert [item.get("content") or item["output"] for item in items] == [[{"type": "input_text", "text": text}]] * 2


def test_a_document_with_images_in_it_is_refused() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    with pytest.raises(InvalidRequest):
        openai_chat.encode_request(asked({"type": "document", "source": {"type": "content", "content": [image]}}))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "no such file"}], "Error: no such file"),
        ([{"type": "text", "text": "<tool_use_error>no</tool_use_error>"}], "<tool_use_error>no</tool_use_error>"),
        ([], "Error"),
    ],
)
def test_a_tools_failure_is_said_in_its_text(content: list[dict[str, Any]], text: str) -> None:
    request = asked(result(*content, is_error=True))
    assert openai_chat.encode_request(request)["messages"][0]["content"] == text
    assert openai_responses.encode_request(request)["input"][0]["output"] == text


def test_the_older_name_of_an_answers_format_is_understood_and_goes_on_as_it_is() -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    request = asked({"type": "text", "text": "q"}, output_format=wanted)
    assert openai_chat.encode_request(request)["response_format"]["json_schema"]["schema"] == {"type": "object"}
    sent = anthropic_messages.encode_request(request)
    assert (sent["output_format"], "output_config" in sent) == (wanted, False)


def test_a_choice_among_no_tools_goes_to_nobody() -> None:
    request = asked({"type": "text", "text": "q"}, tools=[], tool_choice={"type": "auto"})
    for dialect in (openai_chat, openai_responses, anthropic_messages):
        assert "tool_choice" not in dialect.encode_request(request)
    body = {"model": "m", "messages": [{"role": "user", "content": "q"}], "tools": [], "tool_choice": "auto"}
    chat = openai_chat.decode_request({**body, "parallel_tool_calls": False}, {})
    for dialect in (openai_chat, openai_responses, anthropic_messages):
        assert not {"tool_choice", "parallel_tool_calls"} & dialect.encode_request(chat).keys()

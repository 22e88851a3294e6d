"""An error about a part names that part, and says what is not possible."""

from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.errors import InvalidRequest

_TEXT = {"type": "text", "text": "Look."}
_AT_A_URL = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
_BY_ID = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
_IMAGE_BY_ID = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
_IMAGE_AT_A_URL = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
_CALL = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}


def _messages(*content: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("part", "encode", "words"),
    [
        (_AT_A_URL, openai_chat.encode_request, "a document at a URL"),
        (_BY_ID, openai_chat.encode_request, "lies with another provider"),
        (_BY_ID, openai_responses.encode_request, "lies with another provider"),
        (_IMAGE_BY_ID, openai_chat.encode_request, "lies with another provider"),
        (_IMAGE_BY_ID, openai_responses.encode_request, "lies with another provider"),
    ],
)
def test_a_file_that_is_out_of_reach_is_named(part: dict[str, Any], encode: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        encode(anthropic_messages.decode_request(_messages(_TEXT, part), {}))
    assert refused.value.param == "messages[0].content[1]"
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [_TEXT, _TEXT, part]}
    body = _messages(_TEXT, result)
    body["messages"] = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": [_CALL]},
        *body["messages"],
    ]
    with pytest.raises(InvalidRequest, match=words) as refused:
        encode(anthropic_messages.decode_request(body, {}))
    assert refused.value.param == "messages[2].content[1].content[2]"


def test_what_an_api_can_reach_itself_it_is_given() -> None:
    request = anthropic_messages.decode_request(_messages(_AT_A_URL, _IMAGE_AT_A_URL), {})
    assert openai_responses.encode_request(request)["input"][0]["content"] == [
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_image", "detail": "auto", "image_url": "https://example.org/a.png"},
    ]
    image = openai_chat.encode_request(anthropic_messages.decode_request(_messages(_IMAGE_AT_A_URL), {}))
    assert image["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]


def test_of_openais_apis_too() -> None:
    parts = [{"type": "input_text", "text": "Look."}, {"type": "input_image", "file_id": "file_1"}]
    given = {"model": "m", "input": [{"role": "user", "content": parts}]}
    with pytest.raises(InvalidRequest, match="lies with another provider") as refused:
        anthropic_messages.encode_request(openai_responses.decode_request(given, {}))
    assert refused.value.param == "input[0].content[1]"
    file = {"type": "file", "file": {"file_id": "file_1"}}
    chat = {"model": "m", "messages": [{"role": "user", "content": [_TEXT, file]}]}
    with pytest.raises(InvalidRequest, match="lies with another provider") as refused:
        anthropic_messages.encode_request(openai_chat.decode_request(chat, {}))
    assert refused.value.param == "messages[0].content[1]"

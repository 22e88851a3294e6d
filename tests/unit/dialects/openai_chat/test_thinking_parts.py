"""Thinking among the parts of the content, as Mistral's API and its clients have it."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.backends.thinking_history import with_signed_thinking
from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.messages import Request, TextPart

_THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}
_CONTENT = [_THINKING, {"type": "text", "text": "Yes."}]


def _request(thinking: dict[str, Any] = _THINKING) -> Request:
    messages = [
        {"role": "user", "content": "Well?"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "Yes."}]},
        {"role": "user", "content": "Sure?"},
    ]
    return openai_chat.decode_request({"model": "m", "messages": messages}, {})


@pytest.mark.parametrize("given", [[{"type": "text", "text": "hm"}], "hm", [], None, ["hm"], 5])
def test_it_is_no_reason_to_refuse_the_conversation(given: Any) -> None:
    request = _request({"type": "thinking", "thinking": given})
    assert anthropic_messages.encode_request(request)["messages"][1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Yes."}],
    }
    assert openai_responses.encode_request(request)["input"][1] == {"role": "assistant", "content": "Yes."}


def test_a_provider_of_anthropics_api_that_takes_unsigned_thinking_is_given_it() -> None:
    message = anthropic_messages.encode_request(_request(), unsigned_thinking=True)["messages"][1]
    assert message["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}


def test_a_provider_of_its_own_api_is_given_it_as_it_came() -> None:
    request = _request()
    edited = replace(request, messages=(*request.messages[:2], replace(request.messages[2], parts=(TextPart("?"),))))
    for one in (request, edited):
        assert openai_chat.encode_request(one)["messages"][1]["content"] == _CONTENT


def test_claude_behind_litellm_is_not_given_it() -> None:
    kept = with_signed_thinking(openai_chat.encode_request(_request()))
    assert kept[1] == {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}

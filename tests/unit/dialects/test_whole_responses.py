from typing import Any

from app.dialects import anthropic_messages, openai_chat
from app.messages import Choice, Message, ModelResponse, ThinkingBlock, Usage
from tests.unit.dialects.samples import call, request

_BLOCKS = (
    ThinkingBlock(thinking="Hm", signature="sig"),
    ThinkingBlock(type="redacted_thinking", data="xyz"),
)
_FULL = ModelResponse(
    id="r1",
    created=5,
    model="real",
    choices=(
        Choice(
            message=Message(
                content="Yes",
                reasoning_content="Hm",
                thinking_blocks=_BLOCKS,
                tool_calls=(call('{"a": 1}', id="a", name="read"), call('{"b": ', id="b", name="write")),
            ),
            finish_reason="tool_calls",
        ),
    ),
    usage=Usage(prompt_tokens=10, completion_tokens=5, cache_read_input_tokens=4, cache_creation_input_tokens=3),
    extra={"provider": "p", "object": "other"},
)


def _openai(*choices: Choice, **fields: Any) -> dict[str, Any]:
    return openai_chat.encode_response(ModelResponse(id="r", choices=choices, **fields), request(stream=False))


def _anthropic(*choices: Choice, **fields: Any) -> dict[str, Any]:
    asked = request("anthropic_messages", stream=False)
    return anthropic_messages.encode_response(ModelResponse(id="r", choices=choices, **fields), asked)


def test_a_whole_response_for_openai() -> None:
    body = openai_chat.encode_response(_FULL, request(stream=False))
    assert body == {
        "id": "r1",
        "object": "chat.completion",
        "created": 5,
        "model": "real",
        "provider": "p",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Yes",
                    "refusal": None,
                    "reasoning_content": "Hm",
                    "thinking_blocks": [
                        {"index": 0, "type": "thinking", "thinking": "Hm", "signature": "sig"},
                        {"index": 1, "type": "redacted_thinking", "data": "xyz"},
                    ],
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "read", "arguments": '{"a": 1}'}},
                        {"id": "b", "type": "function", "function": {"name": "write", "arguments": '{"b": '}},
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_a_whole_response_for_anthropic() -> None:
    body = anthropic_messages.encode_response(_FULL, request("anthropic_messages", stream=False))
    assert body == {
        "id": "msg_r1",
        "type": "message",
        "role": "assistant",
        "model": "real",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "Yes"},
            {"type": "tool_use", "id": "a", "name": "read", "input": {"a": 1}},
            {"type": "tool_use", "id": "b", "name": "write", "input": {"raw_arguments": '{"b": '}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
            "output_tokens": 5,
        },
    }


def test_every_choice_goes_to_openai_and_the_first_to_anthropic() -> None:
    choices = [Choice(index=at, message=Message(content=str(at)), finish_reason="stop") for at in (1, 0)]
    assert [choice["index"] for choice in _openai(*choices)["choices"]] == [1, 0]
    assert _anthropic(*choices)["content"] == [{"type": "text", "text": "0"}]


def test_a_refusal_in_both_dialects() -> None:
    choice = Choice(message=Message(refusal="No."), finish_reason="content_filter")
    assert _openai(choice)["choices"][0]["message"] == {"role": "assistant", "content": None, "refusal": "No."}
    body = _anthropic(choice)
    assert (body["content"], body["stop_reason"]) == ([{"type": "text", "text": "No."}], "refusal")


def test_the_stop_sequence_keeps_its_value_for_anthropic() -> None:
    body = _anthropic(Choice(message=Message(content="a"), finish_reason="stop", stop_sequence="END"))
    assert (body["stop_reason"], body["stop_sequence"]) == ("stop_sequence", "END")


def test_each_signature_keeps_the_text_that_it_signs() -> None:
    blocks = (ThinkingBlock(thinking="a", signature="1"), ThinkingBlock(thinking="b", signature="2"))
    choice = Choice(message=Message(reasoning_content="ab", thinking_blocks=blocks))
    assert [(block["thinking"], block["signature"]) for block in _anthropic(choice)["content"]] == [
        ("a", "1"),
        ("b", "2"),
    ]


def test_annotations_logprobs_and_unknown_fields_are_kept_for_openai() -> None:
    message = Message(content="a", annotations=({"type": "url_citation"},), extra={"audio": {"id": "x"}})
    body = _openai(Choice(message=message, logprobs={"content": []}), system_fingerprint="fp", service_tier="flex")
    assert body["choices"][0]["message"]["annotations"] == [{"type": "url_citation"}]
    assert body["choices"][0]["message"]["audio"] == {"id": "x"}
    assert body["choices"][0]["logprobs"] == {"content": []}
    assert (body["system_fingerprint"], body["service_tier"]) == ("fp", "flex")


def test_a_response_without_a_choice_is_an_empty_message_for_anthropic() -> None:
    body = _anthropic()
    assert (body["content"], body["stop_reason"], body["model"]) == ([], "end_turn", "m")

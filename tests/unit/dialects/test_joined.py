import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects.joined import joined
from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall, Usage


def _chunk(message: Message, index: int = 0, reason: str | None = None, **fields: object) -> ModelResponse:
    return ModelResponse(choices=(Choice(index, message, finish_reason=reason),), **fields)  # type: ignore[arg-type]


def test_pieces_become_the_message_they_are_of() -> None:
    whole = joined(
        [
            _chunk(Message(role="assistant"), id="a", created=5, model="m"),
            _chunk(Message(reasoning_content="h")),
            _chunk(Message(reasoning_content="m")),
            _chunk(Message(thinking_blocks=(ThinkingBlock(signature="sig"),))),
            _chunk(Message(content="so")),
            _chunk(Message(tool_calls=(ToolCall(1, "c", function=Function("f", '{"a"')),))),
            _chunk(Message(tool_calls=(ToolCall(1, function=Function(None, ":1}")),))),
            _chunk(Message(), reason="tool_calls"),
            ModelResponse(id="later", usage=Usage(3, 4)),
        ]
    )
    message = Message(
        role="assistant",
        content="so",
        reasoning_content="hm",
        thinking_blocks=(ThinkingBlock(thinking="hm", signature="sig"),),
        tool_calls=(ToolCall(0, "c", function=Function("f", '{"a":1}')),),
    )
    choice = Choice(0, None, message, "tool_calls")
    assert whole == ModelResponse(id="a", created=5, model="m", choices=(choice,), usage=Usage(3, 4))


def test_choices_stand_in_their_order() -> None:
    whole = joined([_chunk(Message(content="b"), 1, "stop"), _chunk(Message(content="a"), 0, "length")])
    assert [(one.index, one.message and one.message.content) for one in whole.choices] == [(0, "a"), (1, "b")]


def test_lists_beside_the_text_are_joined() -> None:
    tools = [_chunk(Message(extra={"server_tools": [{"index": at}]})) for at in range(2)]
    message = joined(tools).choices[0].message
    assert message is not None
    assert message.extra == {"server_tools": [{"index": 0}, {"index": 1}]}


@given(st.lists(st.text(max_size=3), min_size=1, max_size=20))
def test_no_text_is_lost(pieces: list[str]) -> None:
    message = joined([_chunk(Message(content=piece or None)) for piece in pieces]).choices[0].message
    assert message is not None
    assert (message.content or "") == "".join(pieces)


def test_a_stream_without_a_choice_is_no_answer() -> None:
    with pytest.raises(ValueError, match="no choices"):
        joined([ModelResponse(usage=Usage(1, 1))])

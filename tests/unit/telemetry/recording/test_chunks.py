from hypothesis import given
from hypothesis import strategies as st

from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall
from app.messages import is_substantial as is_substantial_to_the_gateway
from telemetry.recording.chunks import is_substantial

texts = st.sampled_from((None, "", "text"))
messages = st.builds(
    Message,
    content=texts,
    refusal=texts,
    reasoning_content=texts,
    thinking_blocks=st.sampled_from(((), (ThinkingBlock(thinking="so"),))),
    tool_calls=st.sampled_from(((), (ToolCall(function=Function(name="f")),))),
)
choices = st.builds(
    Choice, delta=st.none() | messages, message=st.none() | messages, finish_reason=st.sampled_from((None, "stop"))
)


@given(st.lists(choices, max_size=2))
def test_telemetry_and_the_dialects_agree_on_what_is_a_piece_of_an_answer(some: list[Choice]) -> None:
    """Telemetry imports nothing of the gateway, so it has the question of its own; the answer is one."""
    chunk = ModelResponse(choices=tuple(some))
    assert is_substantial(chunk) is bool(is_substantial_to_the_gateway(chunk))

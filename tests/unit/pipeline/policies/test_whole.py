"""A whole response through the hooks and back: what no policy changes stays as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall, Usage, as_chunk
from app.pipeline.policies.whole import from_chunks
from app.policies import Policy, StreamContext
from flowspan.testing import response_through

TEXT = st.text("abc é\n", min_size=1, max_size=10)
CALLS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(
    lambda calls: tuple(
        ToolCall(index, f"id-{index}", function=Function(name, arguments))
        for index, (name, arguments) in enumerate(calls)
    )
)
MESSAGES = st.builds(
    lambda content, thought, refusal, calls, note: Message(
        role="assistant",
        content=content,
        refusal=refusal,
        reasoning_content=thought,
        thinking_blocks=(ThinkingBlock(thinking=thought, signature="sig"),) if thought else (),
        tool_calls=calls,
        annotations=({"type": note},) if note else (),
    ),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    CALLS,
    st.none() | TEXT,
)
RESPONSES = st.lists(
    st.tuples(MESSAGES, st.sampled_from(["stop", "length", "tool_calls"])), min_size=1, max_size=3
).map(
    lambda messages: ModelResponse(
        id="r",
        created=1,
        model="m",
        choices=tuple(
            Choice(index=index, message=message, finish_reason=reason, stop_sequence="END")
            for index, (message, reason) in enumerate(messages)
        ),
        usage=Usage(3, 4),
    )
)


@given(RESPONSES)
def test_there_and_back_is_the_same_response(response: ModelResponse) -> None:
    assert from_chunks([as_chunk(response)], response) == response


def test_redacted_thinking_survives() -> None:
    blocks = (ThinkingBlock("redacted_thinking", data="xyz"), ThinkingBlock(thinking="hm", signature="s"))
    message = Message(role="assistant", content="a", reasoning_content="hm", thinking_blocks=blocks)
    response = ModelResponse(choices=(Choice(message=message, finish_reason="stop"),))
    assert from_chunks([as_chunk(response)], response) == response


def test_no_chunks_at_all_leave_an_empty_answer() -> None:
    response = ModelResponse(id="r", choices=(Choice(message=Message(content="a")),), usage=Usage(1, 1))
    assert from_chunks([], response) == ModelResponse(id="r", choices=(Choice(message=Message(role="assistant")),))


SPELLED = {"content": [{"token": token, "logprob": -0.5, "bytes": None} for token in ("he", "llo")]}


class InPieces(Policy):
    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        for character in text:
            await ctx.emit_text(character)


class Shouts(Policy):
    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(text.upper())


class WithoutLogprobs(Policy):
    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        await ctx.emit(replace(chunk, choices=tuple([replace(choice, logprobs=None) for choice in chunk.choices])))


class PartsWithoutLogprobs(Policy):
    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await WithoutLogprobs.on_chunk(WithoutLogprobs(), ctx.chunk, ctx)


@pytest.mark.parametrize(
    ("policy", "stay"),
    [(InPieces(), True), (Shouts(), False), (WithoutLogprobs(), False), (PartsWithoutLogprobs(), False)],
)
def test_log_probabilities_stay_beside_the_text_that_they_are_about(policy: Policy, stay: bool) -> None:
    message = Message(role="assistant", content="hello", reasoning_content="hm")
    response = ModelResponse(choices=(Choice(message=message, finish_reason="stop", logprobs=SPELLED),))
    (choice,) = response_through(policy, response).choices
    assert choice.logprobs == (SPELLED if stay else None)

"""The simulated backend, without a real sleep."""

import asyncio
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.simulated import make_simulated
from app.backends.simulated.answer import words
from app.backends.simulated.schema_example import example
from app.errors import (
    BackendError,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.messages import (
    InputMessage,
    ModelResponse,
    Request,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolDefinition,
    ToolResultPart,
    Usage,
)
from app.settings import Deployment
from app.stages import pieces_of
from tests.support import run
from tests.unit.backends.fakes import Clock, FakeAttempt, ask, text_of

WEATHER = ToolDefinition(
    name="weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}, "unit": {"enum": ["C"]}},
        "required": ["city", "days", "unit"],
    },
)


class Simulated:
    def __init__(self, name: str, **params: Any) -> None:
        self.clock = Clock()
        deployment = Deployment(
            id="d", model_name="m", model=f"simulated/{name}", provider="simulated", backend="simulated", params=params
        )
        self.backend = make_simulated(
            deployment, sleep=self.clock.sleep, rng=random.Random(7), now=lambda: 1_700_000_000
        )
        self.seen: list[ModelResponse] = []

    def stream(self, request: Request | None = None) -> list[ModelResponse]:
        async def main() -> None:
            self.seen = []
            async for batch in pieces_of(self.backend.stream(request or ask(), FakeAttempt())):
                self.seen += [received.chunk for received in batch]

        run(main())
        return self.seen

    def whole(self, request: Request | None = None) -> ModelResponse:
        return run(self.backend.complete(request or ask(stream=False), FakeAttempt())).chunk


def finish_reasons(chunks: list[ModelResponse]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def arguments(chunks: list[ModelResponse], index: int = 0) -> Any:
    calls = [call for chunk in chunks for choice in chunk.choices if choice.delta for call in choice.delta.tool_calls]
    return json.loads("".join(call.function.arguments for call in calls if call.index == index))


def test_a_stream_has_role_pieces_finish_and_usage_in_this_order() -> None:
    role, *pieces, finish, usage = Simulated("lorem-4").stream()
    assert role.choices[0].delta is not None
    assert role.choices[0].delta.role == "assistant"
    assert text_of(pieces) == "lorem ipsum dolor sit"
    assert len(pieces) == 4
    assert finish.choices[0].finish_reason == "stop"
    assert usage.choices == ()
    assert usage.usage is not None
    assert usage.usage.completion_tokens == 4
    assert role.usage == Usage(prompt_tokens=usage.usage.prompt_tokens)
    assert len({chunk.id for chunk in (role, *pieces, finish, usage)}) == 1
    assert role.created == 1_700_000_000


def test_the_whole_response_says_what_the_stream_says() -> None:
    whole = Simulated("thinking+echo").whole()
    chunks = Simulated("thinking+echo").stream()
    [choice] = whole.choices
    assert choice.message is not None
    assert choice.message.content == text_of(chunks) == "Hello there"
    assert choice.message.reasoning_content == "lorem ipsum dolor sit amet"
    assert choice.message.thinking_blocks[0].signature
    assert [choice.finish_reason] == finish_reasons(chunks)
    assert whole.usage == chunks[-1].usage


def test_thinking_comes_before_the_text_and_ends_with_its_signature() -> None:
    deltas = [chunk.choices[0].delta for chunk in Simulated("thinking-2+echo").stream()[1:-2]]
    kinds = [
        "thinking" if delta.reasoning_content else "signature" if delta.thinking_blocks else "text"
        for delta in deltas
        if delta
    ]
    assert kinds == ["thinking", "thinking", "signature", "text", "text"]


def test_the_first_declared_tool_is_called_with_arguments_of_its_schema() -> None:
    chunks = Simulated("tools").stream(ask(tools=(WEATHER,)))
    assert arguments(chunks) == {"city": "some city", "days": 3, "unit": "C"}
    assert finish_reasons(chunks) == ["tool_calls"]
    assert text_of(chunks) == ""


def test_several_tools_can_be_called_at_once() -> None:
    other = ToolDefinition(name="other", parameters={"type": "object", "properties": {}})
    request = ask(tools=(WEATHER, other))
    [choice] = Simulated("tools-2").whole(request).choices
    assert choice.message is not None
    assert [(call.index, call.function.name) for call in choice.message.tool_calls] == [(0, "weather"), (1, "other")]
    assert arguments(Simulated("tools-2").stream(request), 1) == {}


@pytest.mark.parametrize(
    "request_",
    [
        ask(),
        ask(tools=(WEATHER,), tool_choice=ToolChoice(mode="none")),
        ask(tools=(WEATHER,), tool_choice=ToolChoice(mode="named", name="other")),
    ],
)
def test_without_a_tool_to_call_the_answer_is_text(request_: Request) -> None:
    chunks = Simulated("tools").stream(request_)
    assert finish_reasons(chunks) == ["stop"]
    assert text_of(chunks).startswith("lorem")


def test_a_tool_result_ends_the_calling() -> None:
    conversation = (
        InputMessage(role="assistant", parts=(ToolCallPart(id="c", name="weather", arguments="{}"),)),
        InputMessage(role="tool", parts=(ToolResultPart(tool_call_id="c", content=(TextPart("sunny"),)),)),
    )
    request = ask(tools=(WEATHER,), messages=conversation)
    assert text_of(Simulated("tools").stream(request)) == "The tool said: sunny"


CALLED = InputMessage(role="assistant", parts=(ToolCallPart(id="c", name="weather", arguments="{}"),))
RESULT = InputMessage(role="user", parts=(ToolResultPart(tool_call_id="c", content=(TextPart("sunny"),)),))
ASKED = InputMessage(role="user", parts=(TextPart("and now?"),))


@pytest.mark.parametrize("scenario", [{}, {"tool_calls": [{"name": "weather"}]}])
@pytest.mark.parametrize(
    ("messages", "calls"),
    [
        ((ASKED, CALLED, RESULT), False),
        ((ASKED, CALLED, RESULT, ASKED), False),
        ((ASKED, CALLED, RESULT, CALLED, RESULT, ASKED), False),
        ((ASKED, CALLED, RESULT, InputMessage(role="assistant", parts=(TextPart("sunny"),)), ASKED), True),
        ((ASKED, CALLED), True),
    ],
)
def test_a_turn_in_which_tools_were_used_ends(
    scenario: dict[str, Any], messages: tuple[InputMessage, ...], calls: bool
) -> None:
    """An agent says more behind a result, and asks again after an answer."""
    [choice] = Simulated("tools", **scenario).whole(ask(tools=(WEATHER,), messages=messages)).choices
    assert choice.finish_reason == ("tool_calls" if calls else "stop")


def test_scripted_calls_need_no_declaration() -> None:
    call = {"name": "broken", "arguments": '{"path": "/tm'}
    chunks = Simulated("echo", tool_calls=[call]).stream()
    calls = [call for chunk in chunks for choice in chunk.choices if choice.delta for call in choice.delta.tool_calls]
    assert calls[0].function.name == "broken"
    assert "".join(call.function.arguments for call in calls) == '{"path": "/tm'


def test_max_tokens_cuts_with_length() -> None:
    chunks = Simulated("lorem-20").stream(ask(max_tokens=3))
    assert text_of(chunks) == "lorem ipsum dolor"
    assert finish_reasons(chunks) == ["length"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


def test_a_stop_sequence_ends_the_text_before_it() -> None:
    chunks = Simulated("lorem-20").stream(ask(stop=("zzz", " dolor")))
    assert text_of(chunks) == "lorem ipsum"
    assert chunks[-2].choices[0].stop_sequence == " dolor"


def test_several_choices_take_turns_and_each_finishes() -> None:
    chunks = Simulated("echo").stream(ask(n=2))
    assert [choice.index for chunk in chunks for choice in chunk.choices] == [0, 1] * 4
    assert finish_reasons(chunks) == ["stop", "stop"]


def test_texts_are_given_in_turn() -> None:
    simulated = Simulated("lorem", texts=["one", "two"])
    assert [text_of(simulated.stream()) for _ in range(3)] == ["one", "two", "one"]


def test_a_refusal_is_not_content() -> None:
    chunks = Simulated("refusal").stream()
    refusals = [choice.delta.refusal or "" for chunk in chunks for choice in chunk.choices if choice.delta]
    assert "".join(refusals) == "I cannot help with that."
    assert text_of(chunks) == ""


def test_an_empty_answer_still_ends_properly() -> None:
    chunks = Simulated("empty+no-usage").stream()
    assert finish_reasons(chunks) == ["stop"]
    assert len(chunks) == 2


def test_a_share_of_the_prompt_comes_from_a_cache() -> None:
    usage = Simulated("echo+cached-50").stream()[-1].usage
    assert usage is not None
    assert usage.cache_read_input_tokens == usage.prompt_tokens // 2 > 0


def test_pace_and_slow_start_are_slept() -> None:
    simulated = Simulated("echo+slow-start-2+pace-500")
    chunks = simulated.stream()
    assert simulated.clock.slept == [2.0] + [0.5] * (len(chunks) - 1)


def test_chunk_size_counts_characters() -> None:
    chunks = Simulated("echo", chunk_size=4).stream()
    assert [text_of([chunk]) for chunk in chunks[1:-2]] == ["Hell", "o th", "ere"]


@pytest.mark.parametrize(
    ("name", "error", "chunks"),
    [
        ("status-503", UpstreamFailed, 0),
        ("status-400", UpstreamRejected, 0),
        ("cut-3", UpstreamTruncated, 3),
        ("cut-0", UpstreamTruncated, 0),
        ("cut-999", UpstreamTruncated, 23),
        ("error-event-2", UpstreamFailed, 2),
        ("disconnect-0", UpstreamUnreachable, 0),
        ("disconnect-2", UpstreamTruncated, 2),
    ],
)
def test_faults(name: str, error: type[BackendError], chunks: int) -> None:
    simulated = Simulated(name)
    with pytest.raises(error):
        simulated.stream()
    assert len(simulated.seen) == chunks
    with pytest.raises(error):
        Simulated(name).whole()


def test_a_status_carries_its_retry_after() -> None:
    with pytest.raises(UpstreamFailed) as raised:
        Simulated("status-429+retry-after-7").stream()
    assert (raised.value.upstream_status, raised.value.retry_after) == (429, 7)


def test_a_stall_sleeps_longer_than_any_limit() -> None:
    simulated = Simulated("stall-2")
    with pytest.raises(UpstreamTimeout):
        simulated.stream()
    assert len(simulated.seen) == 2
    assert simulated.clock.slept == [86_400.0]


def test_faults_on_every_third_request_leave_the_others_alone() -> None:
    simulated = Simulated("echo+cut+every-3")
    results = []
    for _ in range(6):
        try:
            simulated.stream()
            results.append(True)
        except UpstreamTruncated:
            results.append(False)
    assert results == [True, True, False, True, True, False]


def test_counting_needs_no_answer() -> None:
    assert run(Simulated("echo").backend.count_tokens(ask())) == 9


def test_a_stream_without_pace_leaves_turns_to_others() -> None:
    simulated = Simulated("lorem-1000")
    turns: list[int] = []

    async def others() -> None:
        while True:
            turns.append(len(simulated.seen))
            await asyncio.sleep(0)

    async def main() -> None:
        other = asyncio.create_task(others())
        async for batch in pieces_of(simulated.backend.stream(ask(), FakeAttempt())):
            simulated.seen += [received.chunk for received in batch]
        other.cancel()

    run(main())
    assert max(after - before for before, after in pairwise([*turns, len(simulated.seen)])) < 100


def test_nothing_but_space_is_counted_in_no_time() -> None:
    assert words(" " * 1_000_000) == [" " * 1_000_000]


SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer", "minimum": 2}, {"type": "boolean"}, {"enum": [1]}, {}]),
    lambda inner: (
        st.builds(lambda item: {"type": "array", "items": item}, inner)
        | st.builds(lambda value: {"type": "object", "properties": {"key": value}, "required": ["key"]}, inner)
        | st.builds(lambda value: {"anyOf": [value]}, inner)
    ),
)


@given(SCHEMAS)
def test_arguments_can_be_made_for_any_schema(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(example(schema))) == example(schema)


def test_a_schema_that_contains_itself_ends() -> None:
    node = {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}
    assert "next" in example(node)

"""Blocks out of chunks: however a stream is cut, the blocks are the same, and no piece of it is lost."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall, Usage
from app.pipeline.policies.blocks import (
    BlockAssembler,
    BlockEvent,
    ContentComplete,
    ContentDelta,
    Finished,
    Other,
    ThinkingComplete,
    ThinkingDelta,
    ToolCallComplete,
    ToolCallDelta,
    split,
)


def chunk(delta: Message | None = None, choice: int = 0, finish: str | None = None) -> ModelResponse:
    return ModelResponse(id="r", model="m", choices=(Choice(index=choice, delta=delta, finish_reason=finish),))


def text(value: str, choice: int = 0) -> ModelResponse:
    return chunk(Message(content=value), choice)


def call(arguments: str, index: int = 0, id: str | None = None, name: str | None = None) -> ModelResponse:
    return chunk(Message(tool_calls=(ToolCall(index, id, function=Function(name, arguments)),)))


def feed(*chunks: ModelResponse) -> list[BlockEvent]:
    assembler = BlockAssembler()
    return [event for piece in chunks for event in assembler.feed(piece)] + assembler.finish()


def blocks(events: list[BlockEvent]) -> list[BlockEvent]:
    return [event for event in events if isinstance(event, ContentComplete | ThinkingComplete | ToolCallComplete)]


def test_a_chunk_that_holds_one_thing_is_its_own_part() -> None:
    one = text("hello")
    assert feed(one) == [ContentDelta(0, "hello", one), ContentComplete(0, "hello")]
    assert split(one)[0] is one


def test_thinking_ends_where_text_begins() -> None:
    events = feed(chunk(Message(reasoning_content="hm")), text("so"))
    assert [type(event) for event in events] == [ThinkingDelta, ThinkingComplete, ContentDelta, ContentComplete]


def test_a_signature_belongs_to_its_block() -> None:
    signed = chunk(Message(thinking_blocks=(ThinkingBlock(signature="sig"),)))
    assert blocks(feed(chunk(Message(reasoning_content="hm")), signed, text("so"))) == [
        ThinkingComplete(0, "hm", "sig"),
        ContentComplete(0, "so"),
    ]


def test_thinking_that_stands_twice_in_a_delta_is_read_once() -> None:
    doubled = chunk(Message(reasoning_content="hm", thinking_blocks=(ThinkingBlock(thinking="hm"),)))
    assert blocks(feed(doubled)) == [ThinkingComplete(0, "hm", None)]


def test_interleaved_calls_are_told_apart_and_end_with_their_choice() -> None:
    events = feed(
        call("{", 0, "a", "f"), call("[", 1, "b", "g"), call("}", 0), call("]", 1), chunk(finish="tool_calls")
    )
    assert blocks(events) == [
        ToolCallComplete(0, ToolCall(0, "a", function=Function("f", "{}"))),
        ToolCallComplete(0, ToolCall(1, "b", function=Function("g", "[]"))),
    ]
    assert isinstance(events[-1], Finished)


def test_text_after_a_call_is_a_new_block() -> None:
    assert [
        event.text
        for event in feed(text("a"), call("{}", 0, "x", "f"), text("b"))
        if isinstance(event, ContentComplete)
    ] == [
        "a",
        "b",
    ]


def test_a_provider_may_say_which_of_several_open_blocks_is_complete() -> None:
    begun = [call("", 0, "c0", "f"), call("", 1, "c1", "g"), call("{}", 1)]
    ended = replace(chunk(Message()), ends=1)
    assert [
        event.call.id for event in blocks(feed(*begun, ended, call("{}", 0))) if isinstance(event, ToolCallComplete)
    ] == ["c1", "c0"]
    ending = replace(text("all"), ends="content")
    assert feed(ending, text("more"))[1] == ContentComplete(0, "all")


def test_a_chunk_of_several_things_comes_apart_in_the_order_of_speech() -> None:
    everything = Message(
        role="assistant",
        content="text",
        reasoning_content="hm",
        tool_calls=(ToolCall(0, "a", function=Function("f", "{}")),),
    )
    events = feed(replace(chunk(everything, finish="stop"), usage=Usage(1, 2)))
    assert [type(event) for event in events] == [
        ThinkingDelta,
        ThinkingComplete,
        ContentDelta,
        ContentComplete,
        ToolCallDelta,
        ToolCallComplete,
        Finished,
        Other,
    ]
    first = events[0]
    assert isinstance(first, ThinkingDelta)
    assert first.part.choices[0].delta == Message(role="assistant", reasoning_content="hm")


def test_choices_do_not_touch_each_other() -> None:
    events = feed(text("a", 0), text("b", 1), text("c", 0))
    assert blocks(events) == [ContentComplete(0, "ac"), ContentComplete(1, "b")]


def test_a_stream_without_a_finish_still_completes_its_blocks() -> None:
    assert blocks(feed(text("half"))) == [ContentComplete(0, "half")]


WORDS = st.text('abc {}"é', min_size=1, max_size=8)
SPEECH = st.lists(
    st.one_of(
        st.tuples(st.just("content"), WORDS),
        st.tuples(st.just("thinking"), WORDS),
        st.tuples(st.sampled_from(["call0", "call1"]), WORDS),
    ),
    max_size=12,
)


def spoken(kind: str, value: str) -> ModelResponse:
    match kind:
        case "content":
            return text(value)
        case "thinking":
            return chunk(Message(reasoning_content=value))
        case _:
            return call(value, int(kind[-1]))


@given(SPEECH, st.randoms(use_true_random=False))
def test_any_split_of_a_stream_into_chunks_gives_the_same_blocks(speech: list[tuple[str, str]], random: Random) -> None:
    whole = feed(*(spoken(kind, value) for kind, value in speech))
    pieces = []
    for kind, value in speech:
        cut = random.randint(0, len(value))
        pieces += [spoken(kind, part) for part in (value[:cut], value[cut:]) if part]
    assert blocks(feed(*pieces)) == blocks(whole)


@given(SPEECH)
def test_merging_all_that_one_chunk_can_hold_gives_the_same_text(speech: list[tuple[str, str]]) -> None:
    events = feed(*(spoken(kind, value) for kind, value in speech))
    deltas = "".join(event.text for event in events if isinstance(event, ContentDelta))
    completed = "".join(event.text for event in events if isinstance(event, ContentComplete))
    assert deltas == completed == "".join(value for kind, value in speech if kind == "content")


@given(SPEECH, st.booleans(), st.booleans())
def test_the_parts_of_a_chunk_add_up_to_the_chunk(speech: list[tuple[str, str]], finish: bool, usage: bool) -> None:
    content = "".join(value for kind, value in speech if kind == "content") or None
    thinking = "".join(value for kind, value in speech if kind == "thinking") or None
    calls = tuple(
        ToolCall(int(kind[-1]), function=Function(None, value)) for kind, value in speech if kind[:4] == "call"
    )
    one = chunk(
        Message(content=content, reasoning_content=thinking, tool_calls=calls), finish="stop" if finish else None
    )
    one = replace(one, usage=Usage(3, 4) if usage else None)
    parts = split(one)
    deltas = [choice.delta for part in parts for choice in part.choices if choice.delta is not None]
    assert [delta.content for delta in deltas if delta.content] == ([content] if content else [])
    assert [delta.reasoning_content for delta in deltas if delta.reasoning_content] == ([thinking] if thinking else [])
    assert tuple(tool for delta in deltas for tool in delta.tool_calls) == calls
    assert [part.usage for part in parts if part.usage] == ([Usage(3, 4)] if usage else [])
    assert sum(choice.finish_reason is not None for part in parts for choice in part.choices) == int(finish)

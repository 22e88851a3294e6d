"""What a policy's hooks own, emit, hold back and pass on, each on a stream through the real executor."""

from msgspec.structs import replace

from app.messages import Choice, Function, Message, ModelResponse, Native, Received, ToolCall
from app.policies.base import Policy
from app.policies.context import StreamContext
from tests.behaviour.policies import Looks
from tests.unit.pipeline.rig import content, execute, finish, signature, thinking, tool

SPEECH = [
    thinking("hm"),
    signature("sig"),
    content("one "),
    content("two"),
    tool("{}", 0, "a", "f"),
    finish("tool_calls"),
]


def test_without_policies_the_very_chunks_go_through() -> None:
    assert [a is b for a, b in zip(execute([], SPEECH).chunks, SPEECH, strict=True)] == [True] * len(SPEECH)


def test_a_hook_that_emits_what_it_got_lets_the_very_chunk_through() -> None:
    outcome = execute([Looks()], SPEECH)
    assert outcome.error is None
    assert outcome.chunks == SPEECH
    assert outcome.chunks[2] is SPEECH[2]
    assert outcome.chunks[-1] is SPEECH[-1]


def test_an_overridden_hook_owns_its_kind_and_nothing_else() -> None:
    class Mute(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            """Says nothing."""

    outcome = execute([Mute()], SPEECH)
    assert outcome.text == ""
    assert outcome.thinking == "hm"
    assert outcome.arguments == "{}"
    assert outcome.finish_reasons == ["tool_calls"]


def test_overriding_only_complete_holds_the_deltas_back_until_it_emits() -> None:
    seen: list[int] = []

    class Shout(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            seen.append(1)
            await ctx.emit_text(text.upper())

    outcome = execute([Shout()], SPEECH)
    assert outcome.text == "ONE TWO"
    assert len([delta for delta in outcome.deltas if delta.content]) == 1
    assert seen == [1]


def test_what_is_emitted_at_the_end_of_the_stream_is_delivered() -> None:
    class Last(Policy):
        async def on_stream_complete(self, ctx: StreamContext) -> None:
            await ctx.emit_text("!")

    assert execute([Last()], [content("hi"), finish()]).text == "hi!"


def test_the_end_is_not_called_for_a_stream_that_failed() -> None:
    from app.errors import UpstreamTruncated

    called: list[str] = []

    class Last(Policy):
        async def on_stream_complete(self, ctx: StreamContext) -> None:
            called.append("end")

    outcome = execute([Last()], [content("hi"), UpstreamTruncated("cut")])
    assert isinstance(outcome.error, UpstreamTruncated)
    assert outcome.text == "hi"
    assert called == []


def test_on_chunk_comes_before_the_policys_own_block_hooks() -> None:
    class Both(Policy):
        async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
            if chunk.choices[0].delta and chunk.choices[0].delta.content != "drop":
                await ctx.emit(chunk)

        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(f"<{text}>")

    assert execute([Both()], [content("a"), content("drop"), content("b"), finish()]).text == "<a><b>"


def test_policies_see_what_the_one_before_emitted() -> None:
    class Upper(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text.upper())

    class Twice(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)
            await ctx.emit_text(text)

    assert execute([Upper(), Twice()], [content("a"), content("b"), finish()]).text == "AABB"


def test_last_words_of_the_first_policy_go_through_the_second() -> None:
    class Last(Policy):
        async def on_stream_complete(self, ctx: StreamContext) -> None:
            await ctx.emit_text("bye")

    class Upper(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text.upper())

    assert execute([Last(), Upper()], [content("hi "), finish()]).text == "HI BYE"


def test_a_signature_goes_on_only_with_thinking_that_is_unchanged() -> None:
    class Same(Policy):
        async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
            await ctx.emit_thinking(thinking)

    class Changed(Policy):
        async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
            await ctx.emit_thinking(thinking + "...")

    assert execute([Same()], SPEECH).signatures == ["sig"]
    assert execute([Changed()], SPEECH).signatures == []


def test_a_new_tool_call_takes_no_providers_index() -> None:
    class Insert(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_new_tool_call("mine", "{}", "id-1")

    calls = [call for delta in execute([Insert()], SPEECH).deltas for call in delta.tool_calls]
    assert [(call.function.name, call.id) for call in calls] == [("mine", "id-1"), ("f", "a")]
    assert calls[0].index != calls[1].index


def test_a_whole_tool_call_can_be_replaced() -> None:
    class Safe(Policy):
        async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
            await ctx.emit_tool_call(ToolCall(call.index, call.id, function=Function(call.function.name, '{"safe":1}')))

    outcome = execute([Safe()], [tool('{"pa', 0, "a", "f"), tool('th":1}'), finish("tool_calls")])
    assert outcome.arguments == '{"safe":1}'


def test_choices_are_kept_apart() -> None:
    class Mark(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(f"{ctx.choice}:{text}")

    outcome = execute([Mark()], [content("a", 0), content("b", 1), content("c", 0), finish(choice=0), finish(choice=1)])
    texts = {
        choice.index: choice.delta.content
        for chunk in outcome.chunks
        for choice in chunk.choices
        if choice.delta and choice.delta.content
    }
    assert texts == {0: "0:ac", 1: "1:b"}


def test_what_was_looked_at_is_counted() -> None:
    class Look(Policy):
        name = "look"

        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)

        async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
            await ctx.emit_tool_call(call)

    outcome = execute([Look()], SPEECH)
    evaluated = "flowspan_policy_evaluated_total"
    assert outcome.counter(evaluated, policy="look", kind="content") == 1
    assert outcome.counter(evaluated, policy="look", kind="tool_call") == 1
    assert outcome.counter(evaluated, policy="look", kind="thinking") == 0
    assert outcome.counter("flowspan_policy_skipped_total", policy="look", kind="content") == 0
    assert outcome.counter("flowspan_policy_hold_seconds_count", policy="look", kind="content") == 1


def native(chunk: ModelResponse, sequence: int, kind: str) -> Received:
    return Received(chunk, Native("anthropic_messages", kind.encode(), sequence, kind=kind))


def test_what_is_held_of_a_block_goes_before_the_providers_own_end_of_it() -> None:
    class Whole(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)

    stop = native(ModelResponse(ends="content"), 1, "content_block_stop")
    outcome = execute([Whole()], [content("h"), content("i"), stop, finish()])
    assert outcome.text == "hi"
    assert outcome.received[1] is stop


def test_a_providers_chunk_of_several_things_goes_on_as_itself_if_nothing_of_it_changed() -> None:
    class Same(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)

    class Other(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text + "!")

    both = replace(content("hi"), choices=(Choice(delta=Message(content="hi"), finish_reason="stop"),))
    chunk = native(both, 0, "chunk")
    assert execute([Same()], [chunk]).received[0] is chunk
    changed = execute([Other()], [chunk, content("more", choice=1)])
    assert (changed.text, changed.finish_reasons) == ("hi!more!", ["stop"])
    assert all(piece.native is None for piece in changed.received)


def test_a_changed_copy_of_a_chunk_loses_the_providers_bytes() -> None:
    class Copies(Policy):
        async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
            await ctx.emit(replace(chunk, model="other"))

    assert execute([Copies()], [native(content("hi"), 0, "chunk")]).received[0].native is None

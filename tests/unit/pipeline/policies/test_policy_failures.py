"""A policy that raises, hangs, blocks, floods or swallows: the declared outcome, and nothing passes for looked-at."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from app.errors import PolicyBlocked, PolicyFailed, PolicyFlooded, PolicyTimeout, UpstreamTimeout
from app.messages import Batch, ModelResponse, Received, ToolCall
from app.policies.base import HOOKS, Policy
from app.policies.context import StreamContext
from tests.unit.pipeline.rig import content, execute, finish, loaded, settings, signature, thinking, tool

SPEECH = [
    thinking("h"),
    thinking("m"),
    signature("sig"),
    content("one "),
    content("two"),
    tool("{", 0, "a", "f"),
    tool("}"),
    finish("tool_calls"),
]
COMPLETE = ("on_content_complete", "on_thinking_complete", "on_tool_call_complete")
STREAMING = [hook for hook in HOOKS if hook not in ("on_request", "on_response")]


class Stop(BaseException):
    """Derived from no `Exception`, as some libraries have them."""


OF_ITS_MAKING = [asyncio.CancelledError(), SystemExit(1), Stop("boom")]
"""Exceptions that end tasks or processes, where a hook is what lets them out."""


def failing(hook: str, after: int = 0, error: BaseException | None = None) -> Policy:
    """A policy whose `hook` raises once it was called `after` times; until then it emits what it gets."""
    calls: list[object] = []

    async def broken(self: Policy, *args: object) -> None:
        calls.append(args)
        if len(calls) > after:
            raise error or RuntimeError("boom")
        await getattr(Policy, hook.replace("_complete", "_delta") if hook in COMPLETE else hook)(self, *args)

    kind = type("Broken", (Policy,), {hook: broken, "name": "broken"})
    policy = kind()
    assert isinstance(policy, Policy)
    return policy


@pytest.mark.parametrize("hook", STREAMING)
def test_a_hook_that_raises_ends_the_stream_where_it_is_declared_fail_closed(hook: str) -> None:
    outcome = execute([failing(hook)], SPEECH)
    assert isinstance(outcome.error, PolicyFailed)
    assert outcome.error.outcome == "internal_error"
    assert "boom" not in outcome.error.message
    assert hook in str(outcome.error.detail)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("hook", STREAMING)
def test_a_hook_that_raises_loses_nothing_where_it_is_declared_fail_open(hook: str, after: int) -> None:
    outcome = execute([loaded(failing(hook, after), fail_open=True)], SPEECH)
    assert outcome.error is None
    assert (outcome.thinking, outcome.text, outcome.arguments) == ("hm", "one two", "{}")
    assert outcome.finish_reasons == ["tool_calls"]
    assert outcome.signatures == ["sig"]


@pytest.mark.parametrize("error", OF_ITS_MAKING, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", ["on_chunk", "on_content_delta", "on_content_complete", "on_stream_complete"])
def test_a_hook_that_lets_out_what_ends_tasks_has_failed(hook: str, error: BaseException) -> None:
    outcome = execute([failing(hook, error=error)], SPEECH)
    assert isinstance(outcome.error, PolicyFailed)
    assert type(error).__name__ in str(outcome.error.detail)
    outcome = execute([loaded(failing(hook, error=error), fail_open=True)], SPEECH)
    assert outcome.error is None
    assert outcome.text == "one two"


def test_a_stream_whose_task_is_cancelled_in_a_hook_is_not_the_policys_fault() -> None:
    class Cancelled(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        execute([loaded(Cancelled(), fail_open=True)], SPEECH)


def test_what_goes_past_a_policy_that_stepped_aside_counts_as_skipped() -> None:
    outcome = execute([loaded(failing("on_content_delta"), fail_open=True)], SPEECH)
    assert outcome.counter("flowspan_policy_skipped_total", policy="broken", kind="content") >= 1
    assert outcome.counter("flowspan_policy_evaluated_total", policy="broken", kind="content") == 0


def test_a_deliberate_no_ends_the_stream_however_failures_are_declared() -> None:
    class No(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            raise PolicyBlocked("Not this.")

    for fail_open in (False, True):
        outcome = execute([loaded(No(), fail_open)], SPEECH)
        assert isinstance(outcome.error, PolicyBlocked)
        assert outcome.text == ""


class Hangs(Policy):
    name = "hangs"

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await asyncio.get_running_loop().create_future()


def test_a_hook_that_hangs_is_cut_off_at_its_limit() -> None:
    outcome = execute([Hangs()], SPEECH, settings(policy_timeout=0.05))
    assert isinstance(outcome.error, PolicyTimeout)
    assert outcome.error.outcome == "timeout"
    assert outcome.counter("flowspan_policy_timeouts_total", policy="hangs", hook="on_content_delta") == 1


def test_a_hook_that_hangs_steps_aside_where_it_is_declared_fail_open() -> None:
    outcome = execute([loaded(Hangs(), fail_open=True)], SPEECH, settings(policy_timeout=0.05))
    assert outcome.error is None
    assert outcome.text == "one two"


def test_a_hook_that_blocks_the_event_loop_is_noticed_afterwards() -> None:
    class Blocks(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            time.sleep(0.1)  # noqa: ASYNC251 - the fault under test
            await ctx.emit_text(text)

    assert isinstance(execute([Blocks()], SPEECH, settings(policy_timeout=0.05)).error, PolicyTimeout)


def test_a_hook_that_says_it_is_alive_may_take_longer() -> None:
    class Slow(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            for _ in range(6):
                await asyncio.sleep(0.1)
                ctx.keepalive()
            await ctx.emit_text(text)

    outcome = execute([Slow()], SPEECH, settings(policy_timeout=0.4))
    assert outcome.error is None
    assert outcome.text == "one two"


def test_a_policys_own_timeout_is_its_failure_and_not_the_limits() -> None:
    class RaisesTimeout(Policy):
        name = "own"

        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            raise TimeoutError("its own business")

    outcome = execute([RaisesTimeout()], SPEECH)
    assert isinstance(outcome.error, PolicyFailed)
    assert outcome.counter("flowspan_policy_failures_total", policy="own", hook="on_content_delta") == 1
    assert outcome.counter("flowspan_policy_timeouts_total", policy="own", hook="on_content_delta") == 0


def test_a_flood_is_cut_off_even_where_the_policy_swallows_the_exception() -> None:
    class Floods(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            for _ in range(1000):
                with suppress(Exception):
                    await ctx.emit_text("x")

    outcome = execute([loaded(Floods(), fail_open=True)], SPEECH, settings(emit_limit=10))
    assert isinstance(outcome.error, PolicyFlooded)
    assert outcome.text == "x" * 10


def test_a_policy_that_swallows_a_fault_behind_it_cannot_make_the_stream_good() -> None:
    class Swallows(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            with suppress(Exception):
                await ctx.emit_text(text)

    outcome = execute([loaded(Swallows(), fail_open=True), failing("on_content_delta")], SPEECH)
    assert isinstance(outcome.error, PolicyFailed)


def test_a_fault_of_the_next_policy_does_not_make_this_one_step_aside() -> None:
    class Passes(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)

    outcome = execute([loaded(Passes(), fail_open=True), failing("on_content_delta")], SPEECH)
    assert isinstance(outcome.error, PolicyFailed)


def test_a_silent_upstream_is_not_the_policys_fault() -> None:
    async def silent() -> AsyncGenerator[Batch, None]:
        yield (Received(content("one")),)
        await asyncio.get_running_loop().create_future()

    outcome = execute([Policy()], silent(), settings(policy_timeout=5, idle_timeout=0.05))
    assert isinstance(outcome.error, UpstreamTimeout)
    assert outcome.text == "one"


def test_on_chunk_that_drops_everything_leaves_an_empty_but_clean_stream() -> None:
    class Drops(Policy):
        async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
            """Says nothing."""

        async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
            raise AssertionError("nothing was emitted to it")

    outcome = execute([Drops()], SPEECH)
    assert outcome.error is None
    assert outcome.chunks == []

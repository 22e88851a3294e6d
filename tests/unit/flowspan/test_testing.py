"""The helper for authors of policies."""

import pytest

from app.errors import PolicyBlocked, PolicyFailed
from app.messages import ModelResponse, Request, text_chunk
from app.policies import Policy, PolicyContext, StreamContext
from app.policies.builtin.noop import Noop
from flowspan.testing import answer_through, finish_chunk, request_through, run_policy, stream_through, user_request


class Broken(Policy):
    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        raise RuntimeError("broken")


class Signing(Policy):
    """Says its last when all is said, and whom it serves."""

    async def on_stream_complete(self, ctx: StreamContext) -> None:
        await ctx.emit_text(f"-- {ctx.policy.request.model}")


class Refusing(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        raise PolicyBlocked("no")


def test_a_policy_that_does_nothing_lets_all_through() -> None:
    chunks = [text_chunk("a", ModelResponse()), finish_chunk("length")]
    assert run_policy(Noop(), chunks) == chunks
    assert answer_through(Noop(), "Hi").content == "Hi"
    assert request_through(Noop(), "Hi") == user_request("Hi")


def test_what_is_emitted_at_the_very_end_is_there() -> None:
    assert stream_through(Signing(), ["Hi. "], request=user_request("Hello")) == ["Hi. ", "-- test"]


def test_what_ends_the_stream_is_raised() -> None:
    with pytest.raises(PolicyFailed):
        stream_through(Broken(), ["a"])
    with pytest.raises(PolicyBlocked):
        request_through(Refusing(), "Hi")


def test_a_policy_that_may_fail_open_does() -> None:
    chunks = [text_chunk("a", ModelResponse()), finish_chunk()]
    assert run_policy(Broken(), chunks, on_error="fail_open") == chunks

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.errors import GatewayError, UpstreamTimeout
from app.messages import Batch, Choice, Message, ModelResponse, Received
from app.pipeline import PolicyExecutor
from app.policies import Policy, PolicyContext, StreamContext
from tests.support import run
from tests.unit.dialects.decoding import together
from tests.unit.pipeline.rig import REQUEST, content, execute, finish, loaded, observed, settings

PIECES = [content("a"), content("b"), content("c")]


@pytest.mark.parametrize("last", [finish(), UpstreamTimeout("late")], ids=["well", "with an error"])
def test_whoever_has_ended_waits_for_no_upstream(last: ModelResponse | GatewayError) -> None:
    outcome = execute([], [*PIECES, last])
    assert outcome.text == "abc"
    assert outcome.obs.ledger.active == 0


def test_events_that_came_together_are_counted_each_and_shown_to_policies_one_by_one() -> None:
    texts: list[str] = []

    class Looks(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            texts.append(text)
            await ctx.emit_text(text.upper())

    event = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
    received, _ = together("openai_chat", b"".join(event % text for text in (b"a", b"b", b"c")))
    assert [one.count for one in received] == [3]
    without, looked_at = execute([], received), execute([Looks()], received)
    assert [one.count for one in without.received] == [3]
    assert (texts, looked_at.text) == (["a", "b", "c"], "ABC")
    assert without.obs.recorder.chunks_in == looked_at.obs.recorder.chunks_in == 3


def test_a_wait_that_took_too_long_is_over() -> None:
    async def silent() -> AsyncGenerator[Batch, None]:
        yield (Received(content("a")),)
        await asyncio.Event().wait()

    outcome = execute([], silent(), settings(idle_timeout=0.01))
    assert isinstance(outcome.error, UpstreamTimeout)
    assert outcome.obs.ledger.active == 0


def test_the_other_texts_of_many_answers_are_read_by_turns() -> None:
    """One slice of one answer, and the loop goes on."""
    read = 0

    class Reads(Policy):
        async def on_other_text(self, text: str, ctx: StreamContext) -> str:
            nonlocal read
            read += 1
            return text

    policy, outcome = loaded(Reads()), observed()
    annotations = tuple([{"title": f"title {number}"} for number in range(500)])
    answer = ModelResponse(
        choices=(Choice(message=Message(content="a", annotations=annotations), finish_reason="stop"),)
    )

    async def main() -> int:
        executor = PolicyExecutor([policy], settings())
        context = PolicyContext(outcome.obs.transaction_id, REQUEST)
        reading = [
            asyncio.ensure_future(executor.run_whole(policy, Received(answer), context, outcome.obs)) for _ in range(8)
        ]
        await asyncio.sleep(0)
        most = 0
        while not all(one.done() for one in reading):
            before = read
            await asyncio.sleep(0)
            most = max(most, read - before)
        return most

    assert run(main()) <= 2 * 128
    assert read >= 8 * 500

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.errors import GatewayError, UpstreamTimeout
from app.messages import Batch, ModelResponse, Received
from tests.unit.pipeline.rig import content, execute, finish, settings

PIECES = [content("a"), content("b"), content("c")]


@pytest.mark.parametrize("last", [finish(), UpstreamTimeout("late")], ids=["well", "with an error"])
def test_whoever_has_ended_waits_for_no_upstream(last: ModelResponse | GatewayError) -> None:
    outcome = execute([], [*PIECES, last])
    assert outcome.text == "abc"
    assert outcome.obs.ledger.active == 0


def test_a_wait_that_took_too_long_is_over() -> None:
    async def silent() -> AsyncGenerator[Batch, None]:
        yield (Received(content("a")),)
        await asyncio.Event().wait()

    outcome = execute([], silent(), settings(idle_timeout=0.01))
    assert isinstance(outcome.error, UpstreamTimeout)
    assert outcome.obs.ledger.active == 0

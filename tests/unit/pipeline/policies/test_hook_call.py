"""One call of a hook: what is measured of it, and how its failure shows in the trace."""

import asyncio

import pytest

from app.errors import PolicyFailed, PolicyTimeout
from app.limits import Limit
from app.messages import ModelResponse, Request
from app.pipeline.policies.hook_call import HookCall
from app.policies import Policy, PolicyContext, StreamContext
from tests.support import run
from tests.unit.pipeline.rig import REQUEST, Outcome, content, execute, finish, loaded, observed


class Renames(Policy):
    name = "renames"

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        await asyncio.sleep(0)
        return request.map_text(str.upper)


class Breaks(Policy):
    name = "breaks"

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        raise LookupError("no such thing")


class Hangs(Policy):
    name = "hangs"

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        await asyncio.get_running_loop().create_future()
        return request


def call(policy: Policy, outcome: Outcome, fail_open: bool = False) -> Request:
    async def main() -> Request:
        it = loaded(policy, fail_open)
        hook_call = HookCall(it, Limit(0), 0.05, outcome.obs)
        return await hook_call.whole("on_request", REQUEST, PolicyContext("t", REQUEST))

    return run(main())


def test_a_call_is_the_policys_time_and_one_observation() -> None:
    outcome = observed()
    call(Renames(), outcome)
    assert outcome.obs.ledger.snapshot()["policy"] > 0
    assert outcome.counter("flowspan_policy_hook_seconds_count", policy="renames", hook="on_request") == 1


@pytest.mark.parametrize(("policy", "error"), [(Breaks(), PolicyFailed), (Hangs(), PolicyTimeout)])
def test_a_failed_call_names_its_hook_and_its_cause(policy: Policy, error: type[PolicyFailed]) -> None:
    with pytest.raises(error) as caught:
        call(policy, observed())
    assert str(caught.value.detail).startswith(f"{policy.name}.on_request")


@pytest.mark.parametrize(("policy", "error_type"), [(Breaks(), "LookupError"), (Hangs(), "TimeoutError")])
def test_the_span_of_a_failed_call_tells_the_policys_own_error(policy: Policy, error_type: str) -> None:
    outcome = observed()
    assert call(policy, outcome, fail_open=True) is REQUEST
    outcome.obs.finish("ok", status=200)
    outcome.telemetry.close()
    [span] = [span for span in outcome.spans.get_finished_spans() if span.name == "flowspan.policy on_request"]
    assert (span.attributes or {})["error.type"] == error_type


def test_a_decision_is_counted_under_the_hook_that_took_it() -> None:
    class Decides(Policy):
        name = "decides"

        async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
            await ctx.emit(chunk)
            ctx.decide("passed")

        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)

    outcome = execute([Decides()], [content("x"), finish()])
    assert outcome.counter("flowspan_policy_decisions_total", policy="decides", hook="on_chunk", decision="passed") == 2

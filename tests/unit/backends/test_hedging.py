"""A request that is asked at two deployments: which answer counts, what becomes of the other, and what is never asked
twice."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from app.admission import Admission
from app.backends.attempts import AttemptControl
from app.backends.hedging import may_be_hedged
from app.backends.router import Router
from app.breakers.deployments import AttemptPermit
from app.errors import BackendError, UpstreamFailed, UpstreamRejected
from app.messages import Choice, Message, ModelResponse, Received, Request, ToolDefinition, Usage
from app.settings import (
    AdmissionSettings,
    Deployment,
    RetryBudgetSettings,
    RouterSettings,
    Seconds,
    UpstreamBreakerSettings,
)
from tests.support import run
from tests.unit.backends.fakes import FakeObservability, ScriptedBackend, ask

DOWN, NO = UpstreamFailed("down", upstream_status=503), UpstreamRejected("no", upstream_status=400)
HANG = ScriptedBackend.HANG


def whole(text: str) -> ModelResponse:
    choices = (Choice(message=Message(content=text), finish_reason="stop"),)
    return ModelResponse(id="r", choices=choices, usage=Usage(3, 2))


class Setup:
    """Deployments of one model, `a` before `b` before `c`, each answering by its script."""

    def __init__(self, scripts: Mapping[str, Any], hedge_after: float = 0.01, **settings: Any) -> None:
        self.obs = FakeObservability()
        self.backends = {name: ScriptedBackend(*script) for name, script in scripts.items()}
        fields: dict[str, Any] = settings.pop("fields", {})
        deployments = [
            Deployment(id=name, model_name="m", model=f"x/{name}", provider=name, order=order, **fields)
            for order, name in enumerate(scripts)
        ]
        self.deployments = {one.id: one for one in deployments}
        self.admission = Admission(AdmissionSettings(), deployments)
        self.control = AttemptControl(UpstreamBreakerSettings(threshold=1), admission=self.admission)
        self.router = Router(
            deployments,
            RouterSettings(hedge_after=Seconds(hedge_after), **settings),
            control=self.control,
            make_backend=lambda deployment: self.backends[deployment.id],
        )

    async def asked(self, **fields: Any) -> str | None:
        received: Received = await self.router.complete(ask(**{"stream": False, **fields}), self.obs)
        message = received.chunk.choices[0].message
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert sum(self.control.in_flight.values()) == 0
        return message.content if message is not None else None

    @property
    def failures(self) -> list[str | None]:
        return [attempt.failure for attempt in self.obs.attempts.started]


def test_an_answer_in_time_is_all_that_is_asked_for() -> None:
    setup = Setup({"a": [[whole("a")]], "b": [[whole("b")]]}, hedge_after=5)
    assert run(setup.asked()) == "a"
    assert setup.obs.tried == ["a"]


def test_the_second_answers_where_the_first_takes_long_and_the_first_is_cancelled() -> None:
    setup = Setup({"a": [[HANG]], "b": [[whole("b")]]})
    assert run(setup.asked()) == "b"
    assert setup.obs.tried == ["a", "b"]
    assert setup.failures == ["outpaced", None]
    first, second = setup.obs.attempts.started
    assert second.retry_of is first
    assert second.hedge
    assert [attempt.ends for attempt in (first, second)] == [1, 1]
    assert any(call[0] == "usage" for call in first.calls), "what it used is counted"
    assert setup.obs.provider == "b"


def test_where_the_second_fails_the_first_is_waited_for() -> None:
    async def main() -> None:
        setup = Setup({"a": [[HANG]], "b": [[DOWN]]})
        asking = asyncio.create_task(setup.asked())
        await asyncio.sleep(0.05)
        assert not asking.done()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert setup.failures == ["cancelled", "upstream_error"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@pytest.mark.parametrize("error", [DOWN, NO])
def test_where_the_first_fails_at_once_the_usual_holds(error: BackendError) -> None:
    setup = Setup({"a": [[error]], "b": [[whole("b")]]}, hedge_after=5)
    if error is NO:
        with pytest.raises(UpstreamRejected):
            run(setup.asked())
        assert setup.obs.tried == ["a"]
    else:
        assert run(setup.asked()) == "b"
        assert not setup.obs.attempts.started[1].hedge


def test_no_deployment_is_asked_beside_whose_breaker_is_open() -> None:
    async def main() -> None:
        setup = Setup({"a": [[HANG]], "b": [[DOWN]], "c": [[whole("c")]]})
        permit = setup.control.admit(setup.deployments["b"], setup.obs)
        assert isinstance(permit, AttemptPermit)
        setup.control.record(permit, DOWN, setup.obs)
        assert await setup.asked() == "c"
        assert setup.obs.tried == ["a", "c"]

    run(main())


def test_nobody_is_asked_beside_where_retries_are_a_burden_already_or_there_is_no_room() -> None:
    async def main(setup: Setup) -> None:
        asking = asyncio.create_task(setup.asked())
        await asyncio.sleep(0.05)
        assert setup.obs.tried == ["a"]
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    scripts = {"a": [[HANG]], "b": [[whole("b")]]}
    run(main(Setup(scripts, retry_budget=RetryBudgetSettings(share=0.01, min_concurrent=0))))
    run(main(Setup({"a": [[HANG]]})))


def test_slots_are_given_back_by_both() -> None:
    setup = Setup({"a": [[HANG]], "b": [[whole("b")]]}, fields={"max_parallel": 1})
    assert run(setup.asked()) == "b"
    assert [setup.admission.under_way(name) for name in "ab"] == [0, 0]


def test_a_stream_is_never_asked_for_twice() -> None:
    async def main() -> None:
        setup = Setup({"a": [[HANG]], "b": [[whole("b")]]})
        asking = asyncio.create_task(setup.router.open(ask(), setup.obs))
        await asyncio.sleep(0.05)
        assert setup.obs.tried == ["a"]
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    run(main())


RESPONSES: dict[str, Any] = {"dialect": "openai_responses"}


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        (ask(), True),
        (ask(extra={"store": True}), False),
        (ask(extra={"store": False}), True),
        (ask(**RESPONSES), False),
        (ask(**RESPONSES, extra={"store": False}), True),
        (ask(**RESPONSES, extra={"store": False, "previous_response_id": "resp_1"}), False),
        (ask(**RESPONSES, extra={"store": False, "conversation": "conv_1"}), False),
        (ask(**RESPONSES, extra={"store": False, "background": True}), False),
        (
            ask(
                **RESPONSES,
                extra={"store": False},
                tools=(ToolDefinition("mcp", raw={"type": "mcp", "server_label": "x"}),),
            ),
            False,
        ),
    ],
)
def test_what_a_provider_keeps_or_runs_is_not_asked_for_twice(asked: Request, may: bool) -> None:
    deployment = Deployment(id="a", model_name="m", model="x/a", provider="x")
    settings = RouterSettings(hedge_after=Seconds(1))
    assert may_be_hedged(asked, deployment, settings, stream=False) is may
    assert not may_be_hedged(asked, deployment, settings, stream=True)
    assert not may_be_hedged(asked, deployment, RouterSettings(), stream=False)


def test_a_callers_own_account_is_asked_once() -> None:
    deployment = Deployment(id="a", model_name="m", model="x/a", provider="x", credentials="client")
    assert not may_be_hedged(ask(), deployment, RouterSettings(hedge_after=Seconds(1)), stream=False)

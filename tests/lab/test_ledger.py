"""Time that somebody takes stands under that one's name in the ledger, and under no other."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from telemetry.names import WHERE, Where
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.scripted import PROVIDER_KEY
from tests.lab.account import verdict
from tests.lab.clients import ORDINARY, Manner, visit
from tests.lab.faults import Bandwidth, Fault, Latency
from tests.lab.loop import LoopThread
from tests.lab.mix import Plan
from tests.lab.policies import Sleeps
from tests.lab.provider import PlannedAnswer
from tests.lab.proxy import FaultProxy
from tests.lab.storm import LabProvider

TIMES = 0.6
"""Seconds that each fault takes, about; how long it really was is measured where it happens."""
SHARE, SLACK = 0.05, 0.12
"""How far the ledger may be from it. The slack, in seconds, is for turns that a busy machine gives late."""
BIG = PlannedAnswer(words=("lorem ipsum " * 2000,) * 400, piece=1 << 16)
"""More than the system keeps for a connection."""


@dataclass(frozen=True)
class Case:
    """One fault, and who has to answer for its time."""

    where: Where
    path: str = CHAT
    stream: bool = True
    down: tuple[Fault, ...] = ()
    answer: PlannedAnswer = field(default_factory=PlannedAnswer)
    manner: Manner = ORDINARY
    sleeps: bool = False


CASES = {
    "a distant provider, streamed": Case("upstream", down=(Latency(TIMES),)),
    "a distant provider, whole": Case("upstream", stream=False, down=(Latency(TIMES),)),
    "a provider that thinks": Case("upstream", MESSAGES, answer=PlannedAnswer(pause=TIMES)),
    "a slow line from the provider": Case("upstream", RESPONSES, down=(Bandwidth(6000),)),
    "a slow policy, streamed": Case("policy", sleeps=True),
    "a slow policy, whole": Case("policy", MESSAGES, stream=False, sleeps=True),
    "a client that sends slowly": Case("client", manner=Manner(send_piece=20, send_pause=0.2, head_at_once=True)),
    "a client that reads late": Case("client", answer=BIG, manner=Manner(stall=TIMES)),
    "a client that reads late, whole": Case("client", stream=False, answer=BIG, manner=Manner(stall=TIMES)),
}
_PROVIDERS = {CHAT: "oai", MESSAGES: "ant", RESPONSES: "res"}


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


@pytest.mark.parametrize("name", CASES)
def test_time_stands_under_the_name_of_who_took_it(loop: LoopThread, name: str) -> None:
    """Beside what the same request takes without the fault."""
    case = CASES[name]
    provider = loop.enter(LabProvider())
    proxy = loop.enter(FaultProxy(provider.upstream.port, case.down))
    policy = f"{{use: 'tests.lab.policies:Sleeps', config: {{hook: on_request, seconds: {TIMES}}}}}"
    with RunningGateway(configuration(_models(provider, proxy), f"  policies: [{policy}]")) as gateway:
        plain = Case(case.where, case.path, case.stream, answer=replace(case.answer, pause=0.0))
        usual, _ = _asked(loop, gateway, provider, plain, "near")
        ledger, stalled = _asked(loop, gateway, provider, case, "far")
    taken = proxy.held.seconds + case.answer.pause + stalled + Sleeps.taken()
    more = {where: ledger[where] - usual[where] for where in WHERE}
    assert taken > TIMES / 2
    assert more[case.where] == pytest.approx(taken, rel=SHARE, abs=SLACK), (ledger, usual)
    noise = sum(usual.values()) / 2
    assert sum(more.values()) - more[case.where] < SHARE * taken + SLACK + noise, (ledger, usual)


def _asked(
    loop: LoopThread, gateway: RunningGateway, provider: LabProvider, case: Case, distance: str
) -> tuple[dict[Where, float], float]:
    """The ledger of one request, and how long its client kept others waiting."""
    provider.answers[1] = case.answer
    plan = Plan(1, case.path, f"{distance}-{_PROVIDERS[case.path]}", case.stream, "sleeps" if case.sleeps else "")
    seen = loop.run(visit(gateway.port, plan.data, case.manner))
    assert verdict(seen) == "finished"
    transaction = gateway.transaction(seen.request_id)
    return {where: float(transaction[f"flowspan.time.{where}_s"]) for where in WHERE}, seen.stalled


def _models(provider: LabProvider, proxy: FaultProxy) -> list[str]:
    """Each model twice: by itself and by the proxy. No connection of the one is there for the other."""
    models = []
    for distance, url in (("near", provider.upstream.url), ("far", proxy.url)):
        openai = f"api_base: '{url}/v1', api_key: {PROVIDER_KEY}"
        models += [
            f"{distance}-oai: {{model: openai/gpt-scripted, {openai}, use_chat_completions_api: true}}",
            f"{distance}-ant: {{model: anthropic/claude-scripted, api_base: '{url}', api_key: {PROVIDER_KEY}}}",
            f"{distance}-res: {{model: openai/responses/gpt-scripted, {openai}}}",
        ]
    return models

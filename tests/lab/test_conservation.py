"""After a random mix of requests, faults, policies and clients the books are right, and nothing is left."""

import os
import random
from collections.abc import Iterator, Sequence

import pytest

from telemetry.names import ACCESS_LOGGER
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.lab.account import Visit, complaints, lost_chunks, verdict
from tests.lab.holdings import Held, held
from tests.lab.loop import LoopThread
from tests.lab.mix import FAR, SCRIPTED, Plan, mix, plain
from tests.lab.policies import Census
from tests.lab.storm import LabProvider, books, storm

SEED = int(os.environ.get("LAB_SEED", 0)) or (4711 if "CI" in os.environ else random.randrange(1, 1 << 30))
"""On CI always the same mix: what it finds is to be the change's fault. `make soak` goes on looking."""
COUNT = int(os.environ.get("LAB_REQUESTS", 80))
CENSUS = "tests.lab.policies:Census"
GATEWAY = """
  pipeline: {queue_bytes: 64KiB, put_timeout: 400ms, upstream_idle_timeout: 400ms, policy_timeout: 300ms,
             event_limit: 100KiB}
  breakers: {upstream: {cooldown: 200ms}, queue: {cooldown: 200ms}}
  server: {body_limit: 1MiB}"""
CHAINS = {
    "plain": f"['{CENSUS}']",
    "delta": f"['{CENSUS}', redact, {{use: 'tests.lab.policies:Errant', config: {{hook: on_content_delta}}}}]",
    "open": f"['{CENSUS}', {{use: 'tests.lab.policies:Errant', config: {{hook: on_chunk}}, on_error: fail_open}}]",
    "request": f"['{CENSUS}', {{use: 'tests.lab.policies:Errant', config: {{hook: on_request}}}}, redact]",
}
ROUTER = "litellm_settings: {request_timeout: 1, num_retries: 1, fallbacks: [{far-oai: [oai]}, {far-ant: [ant]}]}"


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


@pytest.mark.parametrize("chain", CHAINS)
def test_every_request_is_accounted_for_and_nothing_is_left(loop: LoopThread, chain: str) -> None:
    """The environment's LAB_SEED makes it the same mix again; LAB_REQUESTS makes it longer."""
    seed = SEED + list(CHAINS).index(chain)
    provider = loop.enter(LabProvider(seed))
    with RunningGateway(configuration(provider.models(), f"  policies: {CHAINS[chain]}{GATEWAY}", ROUTER)) as gateway:
        lab = _Lab(loop, provider, gateway)
        lab.send([plain(model, number) for number, model in enumerate((*SCRIPTED, *FAR, "echo", "lorem-30"))])
        before = lab.held()
        lab.send(mix(seed, COUNT))
        until(lab.serves, f"LAB_SEED={SEED}: each model serves again")
        lab.leaves_nothing(before)
        account = books(gateway)
        faults = complaints(account, lab.visits)
        if chain == "plain":
            faults += lost_chunks(account)
        assert not faults, f"LAB_SEED={SEED}: {len(faults)} complaints, as\n" + "\n".join(faults[:20])
        # The level of an access line is its outcome's, and the mix has errors.
        lines = [line for line in gateway.logs() if line["logger"] != ACCESS_LOGGER]
        errors = [line for line in lines if line["level"] == "error"]
        assert not errors, f"LAB_SEED={SEED}: {errors[:3]}"


class _Lab:
    """What goes through one gateway."""

    def __init__(self, loop: LoopThread, provider: LabProvider, gateway: RunningGateway) -> None:
        self.visits: list[Visit] = []
        self._loop = loop
        self._provider = provider
        self._gateway = gateway

    def send(self, plans: Sequence[Plan]) -> list[Visit]:
        visits = self._loop.run(storm(self._gateway.port, self._provider, plans), timeout=300)
        self.visits += visits
        return visits

    def serves(self) -> bool:
        """Breakers close again: no permit for a probe was lost."""
        visits = self.send([plain(model) for model in SCRIPTED])
        return all(verdict(visit.seen) == "finished" for visit in visits)

    def leaves_nothing(self, before: Held) -> None:
        left: dict[str, int] = {}

        def nothing() -> bool:
            nonlocal left
            left = self.held().beyond(before)
            return not left

        try:
            until(nothing, "nothing is left")
        except AssertionError:
            pytest.fail(f"LAB_SEED={SEED}: {left} are left beside {before}")

    def held(self) -> Held:
        """What is held with one request under way, and no connection kept for later."""
        self._gateway.wait_until_idle()
        self._loop.run(self._provider.drop_all())
        self.send([plain("echo")])
        self._gateway.wait_until_idle()
        return held(Census.tasks)

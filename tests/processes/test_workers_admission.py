"""Worker processes share the slots of a deployment: together they ask no more of it than one would, and no less."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.behaviour.clients import CHAT, RawClient, ask, post
from tests.behaviour.gateway import configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY
from tests.processes.test_workers import Workers, both
from tests.upstream import Received, Script, Sleep, Stall, json_reply, openai_completion

LIMIT, TAKES = 3, 0.15


class Counting:
    """A provider that takes a while for each request, and notes when it came."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    def __call__(self, number: int, received: Received) -> Script:
        self.arrivals.append(time.monotonic())
        return [Sleep(TAKES), *json_reply(openai_completion({"content": "Hello"}))]

    @property
    def most(self) -> int:
        """How many it had at a time at most: those that came within the time that one takes."""
        return max(sum(since <= one < since + 0.95 * TAKES for one in self.arrivals) for since in self.arrivals)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Workers]:
    params = (
        f"model: openai/gpt, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}, max_parallel_requests: {LIMIT}"
    )
    server = "  server: {workers: 2, lame_duck: 200ms}\n  console: off\n  admission: {queue_timeout: 10s}"
    text = configuration([f"limited: {{{params}}}"], server)
    with Workers(tmp_path_factory.mktemp("workers"), text) as served:
        yield served


def _served(workers: Workers, provider: Provider, requests: int) -> Counting:
    counting = Counting()
    provider.play(counting)
    with ThreadPoolExecutor(requests) as pool:
        replies = list(pool.map(lambda _: post(workers, CHAT, ask("limited")), range(requests)))
    assert [reply.status for reply in replies] == [200] * requests
    return counting


def test_a_burst_over_all_workers_keeps_within_one_limit_and_uses_it(workers: Workers, provider: Provider) -> None:
    both(workers)
    assert _served(workers, provider, 24).most == LIMIT


def test_the_slots_of_a_killed_worker_are_there_again(workers: Workers, provider: Provider) -> None:
    victim, _ = sorted(both(workers))
    with ExitStack() as stack:
        provider.play([Stall()])
        for _ in range(LIMIT):
            client = stack.enter_context(RawClient(workers))
            client.post(CHAT, ask("limited"))
        until(lambda: len(provider.requests) == LIMIT, "all slots are taken")
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in workers.pids, "it is dead")
        both(workers)
    assert _served(workers, provider, 12).most == LIMIT

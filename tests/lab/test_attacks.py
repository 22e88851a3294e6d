"""Bytes that no honest client sends: each gets an answer or a closed connection, and the gateway serves on."""

import asyncio
import re
from collections.abc import Iterator
from random import Random

import pytest

from tests.behaviour.clients import request
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.lab.attacks import ATTACKS, ask
from tests.lab.loop import LoopThread

TRIES = 12
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_FIRST_LINE = re.compile(rb"\AHTTP/1\.[01] \d{3} ")
MOST_ANSWERS = {"request_in_a_body": 2, "two_lengths": 1, "length_and_chunks": 1, "upgrades": 1, "trailers": 1}
"""A request that hides in another one, or a head that can be read in two ways, must not be served."""


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(
        configuration(simulated("echo"), "  server: {header_timeout: 1s, body_timeout: 1s}")
    ) as running:
        yield running


@pytest.fixture(scope="module")
def answers(loop: LoopThread, gateway: RunningGateway) -> dict[str, list[tuple[bytes, bytes, bool]]]:
    """What was sent, what came back, and whether the connection ended; all attacks at once."""
    attacks = [(name, attack(Random(seed))) for name, attack in ATTACKS.items() for seed in range(TRIES)]

    async def all_at_once() -> list[tuple[bytes, bool]]:
        return await asyncio.gather(*(ask(gateway.port, pieces, time_limit=20) for _, pieces in attacks))

    found: dict[str, list[tuple[bytes, bytes, bool]]] = {name: [] for name in ATTACKS}
    for (name, pieces), (answer, ended) in zip(attacks, loop.run(all_at_once(), timeout=40), strict=True):
        found[name].append((b"".join(pieces)[:2000], answer, ended))
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_an_answer_or_an_end(answers: dict[str, list[tuple[bytes, bytes, bool]]], name: str) -> None:
    for sent, answer, ended in answers[name]:
        assert ended, f"nothing became of {sent!r}"
        assert not answer or _FIRST_LINE.match(answer), (sent, answer[:200])
        statuses = [int(status) for status in _STATUS.findall(answer)]
        assert 500 not in statuses, sent
        assert len(statuses) <= MOST_ANSWERS.get(name, 1000), (sent, statuses)


@pytest.mark.usefixtures("answers")
def test_the_gateway_serves_on(gateway: RunningGateway) -> None:
    assert request(gateway, "GET", "/livez").status == 200
    gateway.wait_until_idle()
    assert [line for line in gateway.logs() if line["level"] == "error"] == []

"""A thousand requests of a key at once, at one gateway or at several that share its limits: what of them passes, and
what that comes to."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest

from tests.behaviour.clients import ask, request
from tests.behaviour.gateway import TIMEOUT, configuration
from tests.behaviour.many_clients import RawReply, stream
from tests.behaviour.tenants import PRICE
from tests.upstream import Received, Script, ScriptedUpstream, Until, json_reply, openai_completion

BURST, LONGEST = 1_000, 300
"""Requests at once, and the tokens that each answer may have."""
_WITHIN, _BEYOND = 200, 500
"""Tokens of an answer that keeps to that, and of one that does not."""
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Case:
    """A key with one limit, and an answer of so many tokens to each of its requests."""

    limit: str
    options: str
    answer: int = _WITHIN

    @property
    def key(self) -> str:
        return f"gate-of-{self.limit.replace('_', '-')}-and-{self.answer}-mulberry"


CASES = (
    Case("requests_per_minute", "limits: {requests_per_minute: 500}"),
    Case("streams", "limits: {streams: 300}"),
    Case("tokens_per_minute", "limits: {tokens_per_minute: 100000}"),
    Case("tokens_per_minute", "limits: {tokens_per_minute: 100000}", _BEYOND),
    Case("budget_month", "budget: {usd: 100}"),
    Case("budget_month", "budget: {usd: 100}", _BEYOND),
)


class Holding:
    """A provider that answers nobody until it is `released`, and then all with the tokens of the case."""

    def __init__(self, case: Case) -> None:
        self.released = asyncio.Event()
        self._usage = {"prompt_tokens": 5, "completion_tokens": case.answer, "total_tokens": 5 + case.answer}

    def __call__(self, number: int, received: Received) -> Script:
        return [Until(self.released), *json_reply(openai_completion({"content": "Hello"}, usage=self._usage))]


def limited(provider: str, gateway: str = "") -> str:
    """The configuration of a gateway with the keys of all cases, before the provider of this address."""
    keys = "\n".join(f"  - {{name: k{number}, key: {one.key}, {one.options}}}" for number, one in enumerate(CASES))
    model = f"chat: {{model: openai/gpt-x, api_base: '{provider}/v1', api_key: sk-p, {PRICE}}}"
    return configuration([model], f"  keys:\n{keys}\n{gateway}")


@dataclass
class At:
    port: int


async def check(case: Case, ports: Sequence[int], provider: ScriptedUpstream, holding: Holding) -> None:
    """Ask a thousand times at once, whichever of the gateways. What is used and reserved together never passes the
    limit, none is refused for which there was room, and in the end exactly what all came to is used. So the limit can
    be passed by the sum of what requests came to beyond what each had reserved, and by nothing else."""
    before = len(provider.requests)
    asked = ask("chat", text="one two three", max_tokens=LONGEST)
    tasks = [asyncio.create_task(stream(ports[number % len(ports)], asked, case.key)) for number in range(BURST)]
    while len(provider.requests) - before + sum(task.done() for task in tasks) < BURST:
        await _usage(case, ports[0])
    passed = len(provider.requests) - before
    usages = [await _usage(case, port) for port in ports]
    most, taken = usages[0]["max"], usages[0]["used"] + usages[0]["reserved"]
    assert most - taken < taken / passed, "there was no room for one more"
    holding.released.set()
    replies: list[RawReply] = await asyncio.gather(*tasks)
    assert Counter(reply.status for reply in replies) == {
        HTTPStatus.OK: passed,
        HTTPStatus.TOO_MANY_REQUESTS: BURST - passed,
    }
    for port in ports:
        assert (await _when_all_have_ended(case, port))["used"] == pytest.approx(_truth(case, passed))
    if case.answer == _BEYOND:
        assert _truth(case, passed) > most
        assert (await stream(ports[-1], asked, case.key)).status == HTTPStatus.TOO_MANY_REQUESTS


def _truth(case: Case, passed: int) -> float:
    """What is used in the end."""
    match case.limit:
        case "requests_per_minute":
            return passed
        case "streams":
            return 0
        case "tokens_per_minute":
            return passed * (5 + case.answer)
        case _:
            return passed * (5 * 0.001 + case.answer * 0.002)


async def _usage(case: Case, port: int) -> dict[str, Any]:
    """What the key is told of its limit, which nothing passes but what has ended and came to more than it reserved."""
    headers = {"authorization": f"Bearer {case.key}"}
    answer = await asyncio.to_thread(request, At(port), "GET", "/v1/usage", headers=headers)
    assert answer.status == HTTPStatus.OK
    assert not answer.json()["state"]["is_local"]
    [usage] = answer.json()["limits"]
    if case.answer <= LONGEST or not usage["used"]:
        assert usage["used"] + usage["reserved"] <= usage["max"] + _TOLERANCE
    return dict(usage)


async def _when_all_have_ended(case: Case, port: int) -> dict[str, Any]:
    async with asyncio.timeout(TIMEOUT):
        while (usage := await _usage(case, port))["reserved"] or (case.limit == "streams" and usage["used"]):
            pass
    return usage

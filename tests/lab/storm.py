"""A mix of requests through a gateway, a few at a time, and the books afterwards."""

import asyncio
import contextlib
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from tests.behaviour.gateway import RunningGateway, Transaction, until
from tests.behaviour.scripted import PROVIDER_KEY
from tests.lab.account import Books, Sheet, TransactionRecord, Visit
from tests.lab.clients import visit
from tests.lab.mix import SIMULATED, Plan, links
from tests.lab.provider import PlannedAnswer, number_of, script_of
from tests.lab.proxy import FaultProxy, Link
from tests.upstream import Received, Script, ScriptedUpstream

AT_ONCE = 24


class LabProvider:
    """A scripted provider that knows the answers of the plans, and a proxy with faults before it."""

    def __init__(self, seed: int = 0) -> None:
        self.answers: dict[int, PlannedAnswer] = {}
        self._links = links(seed)
        self._stack = contextlib.AsyncExitStack()
        self.upstream = ScriptedUpstream(self._script)

    async def __aenter__(self) -> "LabProvider":
        await self._stack.enter_async_context(self.upstream)
        self.proxy = await self._stack.enter_async_context(FaultProxy(self.upstream.port, links=self._link))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def drop_all(self) -> None:
        """Abort every connection that the gateway keeps for later."""
        self.proxy.drop_all()
        self.upstream.drop_all()

    def models(self) -> list[str]:
        """For `configuration`: `oai`, `ant` and `res`, each by the proxy too, and the simulated ones."""
        models = [f"{name}: {{model: 'simulated/{name}'}}" for name in SIMULATED]
        for prefix, url in (("", self.upstream.url), ("far-", self.proxy.url)):
            key = f"api_key: {PROVIDER_KEY}"
            openai = f"api_base: '{url}/v1', {key}"
            models += [
                f"{prefix}oai: {{model: openai/gpt-scripted, {openai}, use_chat_completions_api: true}}",
                f"{prefix}ant: {{model: anthropic/claude-scripted, api_base: '{url}', {key}}}",
                f"{prefix}res: {{model: openai/responses/gpt-scripted, {openai}}}",
            ]
        return models

    def _link(self, number: int) -> Link:
        return self._links[number % len(self._links)]

    def _script(self, number: int, request: Received) -> Script:
        plan = number_of(request)
        return script_of(self.answers.get(plan or 0, PlannedAnswer()), plan or 0, request)


async def storm(port: int, provider: LabProvider, plans: Sequence[Plan], at_once: int = AT_ONCE) -> list[Visit]:
    provider.answers.update({plan.number: plan.answer for plan in plans})
    gate = asyncio.Semaphore(at_once)

    async def one(plan: Plan) -> Visit:
        async with gate:
            return Visit(plan, await visit(port, plan.data, plan.manner))

    return list(await asyncio.gather(*map(one, plans)))


def books(gateway: RunningGateway) -> Books:
    """Once all transactions have ended, and their lines are written."""
    count = gateway.wait_until_idle()
    until(lambda: len(_access_lines(gateway)) >= count, "the last line of the log")
    recorded = [_recorded(transaction) for transaction in gateway.transactions()]
    return Books(recorded, _access_lines(gateway), Sheet(gateway.telemetry.registry.collect()))


def _access_lines(gateway: RunningGateway) -> list[dict[str, object]]:
    return [line for line in gateway.logs() if line["logger"] == "flowspan.access"]


def _recorded(transaction: Transaction) -> TransactionRecord:
    def attributes(span: ReadableSpan) -> dict[str, object]:
        return dict(span.attributes or {})

    span = transaction.span
    queues = [one for one in transaction.others if one.name.startswith("flowspan.queue")]
    seconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    return TransactionRecord(
        attributes(span),
        seconds,
        [attributes(one) for one in transaction.attempts],
        [attributes(one) for one in queues],
    )

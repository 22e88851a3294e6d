"""The scripted incident: calm traffic, then everything that can go wrong at once, then calm again.

The demo's models, texts and clients, against a gateway of its own process. In the incident an upstream fails and then
recovers, another one hangs up in mid-sentence, a third one says nothing until its clients leave, readers are slow or
look away, a model has more to do than it may, somebody asks for more than their key may, an agent loses its prompt
cache, policies hang and fail, the configuration is changed, once to one that is refused, and the collector is gone for
a while.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from app.demo.clients.calls import (
    APIS,
    Api,
    Call,
    bad,
    contacts,
    flaky,
    fragile,
    leave,
    severed,
    slow,
    stuck,
    talk,
    think,
    unknown,
    use_tool,
)
from app.demo.clients.client import Clients, Observation
from app.demo.gateway.scenario import ARCHIVE, CONTACTS, PLAIN, THOUGHT, unredacted
from tests.real.conversation import MODEL, Conversations
from tests.real.policies import BREAK, HANG, REFUSE
from tests.real.stack import Stack

PUT_TIMEOUT = 4.0
POLICY_TIMEOUT = 1.0
CALM, TROUBLE = 10.0, 32.0
"""Seconds. The slow burn has to last for fifteen minutes, which are seconds here, after half of the first thirty."""
AWAY = (18.0, 28.0)
"""When the collector is gone, in seconds since the trouble began: after the overflows, also on a slow machine, for what
is told in between is lost."""
EXPECTED = frozenset(
    {
        "Watchdog",
        "AdmissionRefusing",
        "AvailabilityBurnFast",
        "AvailabilityBurnSlow",
        "Backpressure",
        "BreakerStuckOpen",
        "BreakerTripped",
        "CacheLost",
        "ConfigReloadFailed",
        "DeliveryBurn",
        "InternalErrors",
        "KeyBudgetNearlySpent",
        "ModelUnanswered",
        "PolicyFailing",
        "PolicySkipped",
        "PolicyTimeouts",
        "QueueNearFull",
        "QueueOverflow",
        "TelemetryDropping",
        "UpstreamErrors",
    }
)
REFUSED_FOR, FRUGAL_FOR = 9.0, 9.0
"""Seconds for which a configuration stands that is refused, and the next one, in which a budget is nearly spent."""
OF_THE_MACHINE = frozenset({"EventLoopLag", "GatewayOverhead"})
"""They tell how fast this machine is, not what the incident does: told, and not held against the run."""
LASTING = frozenset({"AvailabilityBurnLong"})
"""Its windows are longer than the run: once it fires it does not end within it."""
GIVES_UP_AFTER = 0.4
"""Seconds; whoever leaves a silent provider so soon tells a breaker nothing."""
_KEY = "sk-flowspan-incident"
_PRICE = {
    "input_cost_per_token": 0.000003,
    "output_cost_per_token": 0.000015,
    "cache_read_input_token_cost": 0.0000003,
    "cache_creation_input_token_cost": 0.00000375,
}
_MOST_TOKENS = 100_000
"""Tokens that one request may come to."""
_OTHER_PATHS = ("/v1/models", "/livez", "/readyz", "/v1/no-such-path")


def configuration(*budgets: dict[str, Any]) -> dict[str, Any]:
    """`budgets` are those of the key beside the one that lasts for the run."""
    return {
        "model_list": [
            _model("chat", "lorem+slow-start-0.05+pace-12+cached-50", texts=[PLAIN]),
            _model("thinker", "lorem+slow-start-0.1+pace-10+cached-20", texts=[PLAIN], thinking=THOUGHT),
            _model("tools", "tools+pace-20"),
            _model("contacts", "lorem+pace-10", texts=[unredacted(CONTACTS)], chunk_size=7),
            # More than a slow reader takes in all of the trouble.
            _model("archive", "lorem+pace-1+no-usage", texts=[unredacted(ARCHIVE) * 5], chunk_size=2000),
            # The first deployment fails for a while, the second one carries on.
            _model("flaky", "lorem+pace-5+status-503+first-6", id="flaky-east", order=1),
            _model("flaky", "lorem+pace-5", id="flaky-west", order=2),
            # Down for long: each probe of its breaker takes one of these failures.
            _model("fragile", "lorem+pace-5+status-503+first-10"),
            # Nothing that a breaker opens for, and retries hide it from clients.
            _model("shaky", "lorem+pace-5+status-503+every-4"),
            _model("hung", "lorem+stall-0"),
            _model(MODEL, "lorem-5+pace-2+caching-60"),
            # One at a time, of four who ask: some wait, and some in vain.
            _model("busy", "lorem-5+slow-start-0.5", max_parallel_requests=1),
            _model("severed", "lorem+pace-5+cut-6+first-16", texts=[PLAIN]),
        ],
        "litellm_settings": {"num_retries": 1, "fallbacks": [{"fragile": ["chat"]}]},
        "gateway": {
            # One only, or each caller would have breakers of its own.
            "keys": [
                {
                    "name": "visitors",
                    "key": _KEY,
                    "team": "demo",
                    "expires": "2099-12-31",
                    "limits": {"requests_per_minute": 1_000_000, "request_tokens": _MOST_TOKENS},
                    "budget": [{"usd": 10_000, "per": "hour"}, *budgets],
                }
            ],
            "policies": [
                {"use": "redact", "config": {"patterns": ["email", "phone", "card"]}},
                {"use": "tests.real.policies:Reviewer", "on_error": "fail_open"},
                {"use": "tests.real.policies:Auditor"},
            ],
            "pipeline": {
                "queue_items": 16,
                "put_timeout": f"{PUT_TIMEOUT:g}s",
                "policy_timeout": f"{POLICY_TIMEOUT:g}s",
            },
            "breakers": {
                "queue": {"threshold": 3, "window": "20s", "cooldown": "1s"},
                "upstream": {"threshold": 3, "cooldown": "2s"},
            },
            "admission": {"queue_timeout": "1200ms"},
            "telemetry": {"boundary_events": "both"},
            "recorder": "memory",
        },
    }


def _model(name: str, words: str, id: str | None = None, **params: Any) -> dict[str, Any]:
    info = {**_PRICE, **({"id": id} if id else {})}
    return {"model_name": name, "litellm_params": {"model": f"simulated/{words}", **params}, "model_info": info}


@dataclass
class Run:
    """What happened when (Unix time), and what clients saw."""

    began: float = 0.0
    trouble_at: float = 0.0
    calm_at: float = 0.0
    ended: float = 0.0
    seen: list[Observation] = field(default_factory=list)


Make = Callable[[Api], Call]


@dataclass(frozen=True)
class Visitor:
    """Makes one of `calls` after another, with `pause` seconds in between; `first` seconds pass before. One with
    `gives_up_after` hangs up after so many seconds."""

    calls: Sequence[Make]
    pause: float
    first: float = 0.0
    gives_up_after: float | None = None


def _whole(make: Callable[[Api, bool], Call]) -> Make:
    return lambda api: make(api, False)


def _saying(word: str, stream: bool = True) -> Make:
    def call(api: Api) -> Call:
        made = talk(api, stream)
        return Call(word, api, {**made.body, "messages": [{"role": "user", "content": f"Please {word}"}]})

    return call


def _shaky(api: Api) -> Call:
    made = talk(api)
    return Call("shaky", api, {**made.body, "model": "shaky"}, text=made.text)


def _hung(api: Api) -> Call:
    made = talk(api)
    return Call("hung", api, {**made.body, "model": "hung"})


def _busy(api: Api) -> Call:
    made = talk(api)
    return Call("busy", api, {**made.body, "model": "busy"})


def _greedy(api: Api) -> Call:
    """Allows for an answer beyond a limit of its key."""
    made = talk(api, stream=False)
    name = "max_output_tokens" if api == "openai_responses" else "max_tokens"
    return Call("greedy", api, {**made.body, name: _MOST_TOKENS})


def _dragging(api: Api) -> Call:
    return slow(api, pause=0.1)


EVERYDAY = (
    *(Visitor((talk, think, use_tool, contacts), 0.3) for _ in range(3)),
    Visitor((_whole(talk), _whole(think)), 0.5),
    Visitor((leave, bad, unknown, _greedy), 2.0),
)
MISHAPS = (
    Visitor((flaky,), 0.3),
    Visitor((fragile,), 0.4),
    Visitor((severed,), 0.25),
    Visitor((_shaky,), 0.1),
    Visitor((_hung,), 0.1, gives_up_after=GIVES_UP_AFTER),
    *(Visitor((_busy,), 0.05) for _ in range(4)),
    Visitor((Conversations(),), 0.05),
    *(Visitor((_dragging,), 0.1, first=0.3 * turn) for turn in range(8)),
    *(Visitor((_saying(HANG),), 0.2) for _ in range(3)),
    Visitor((_saying(REFUSE),), 0.8),
    Visitor((_saying(BREAK, stream=False),), 1.5),
)
STRANGERS = (Visitor((talk,), 1.0),)
"""They have no key."""
AFTERWARDS = (Visitor((severed, fragile), 0.7),)
"""A breaker closes only when somebody asks."""
LOOKS_AWAY = 4
"""Readers that read nothing for longer than the gateway waits for them, all at once."""


async def play(stack: Stack, recovered: Callable[[], bool], at_most: float = 100.0) -> Run:
    """Calm, trouble, and calm until `recovered` says so; a run that does not recover ends all the same."""
    run = Run(began=time.time())
    async with (
        Clients(stack.url, _KEY) as clients,
        Clients(stack.url) as strangers,
        _visits(EVERYDAY, clients, run),
        _running(_look_around(clients, stack.url)),
    ):
        await asyncio.sleep(CALM)
        run.trouble_at = time.time()
        async with _visits(MISHAPS, clients, run), _visits(STRANGERS, strangers, run):
            await asyncio.gather(
                _look_away(clients, run), _lose_collector(stack), _reconfigure(stack), asyncio.sleep(TROUBLE)
            )
        run.calm_at = time.time()
        async with _visits(AFTERWARDS, clients, run):
            await asyncio.to_thread(_wait_for, recovered, at_most)
        run.ended = time.time()
    return run


def _wait_for(fulfilled: Callable[[], bool], at_most: float) -> None:
    deadline = time.monotonic() + at_most
    while time.monotonic() < deadline and not fulfilled():
        time.sleep(1)


def _visits(visitors: Sequence[Visitor], clients: Clients, run: Run) -> AbstractAsyncContextManager[None]:
    return _running(*(_visit(visitor, turn, clients, run) for turn, visitor in enumerate(visitors)))


@asynccontextmanager
async def _running(*endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in endless]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _visit(visitor: Visitor, turn: int, clients: Clients, run: Run) -> None:
    await asyncio.sleep(visitor.first)
    while True:
        for make in visitor.calls:
            for api in APIS if turn % 2 else reversed(APIS):
                with suppress(TimeoutError):
                    async with asyncio.timeout(visitor.gives_up_after):
                        run.seen.append(await clients.send(make(api)))
                await asyncio.sleep(visitor.pause)


async def _look_around(clients: Clients, url: str) -> None:
    """What asks no model: a list of them, probes, and somebody who tries paths."""
    while True:
        for path in _OTHER_PATHS:
            await clients.get(url + path)
        await asyncio.sleep(0.5)


async def _look_away(clients: Clients, run: Run) -> None:
    calls = [stuck(APIS[turn % 2], PUT_TIMEOUT + 4) for turn in range(LOOKS_AWAY)]
    run.seen += await asyncio.gather(*(clients.send(call) for call in calls))


async def _lose_collector(stack: Stack) -> None:
    gone, back = AWAY
    await asyncio.sleep(gone)
    await asyncio.to_thread(stack.collector.stop)
    await asyncio.sleep(back - gone)
    await asyncio.to_thread(stack.collector.start)


async def _reconfigure(stack: Stack) -> None:
    """A mistake in the file, then a budget that is warned of at once, then all as it was."""
    stack.reconfigure({**configuration(), "model_list": [{"model_name": "chat"}]})
    await asyncio.sleep(REFUSED_FOR)
    stack.reconfigure(configuration({"usd": 1_000, "per": "day", "mode": "warn", "warn_at": [0.000001]}))
    await asyncio.sleep(FRUGAL_FOR)
    stack.reconfigure(configuration())

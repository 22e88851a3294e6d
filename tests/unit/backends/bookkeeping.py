"""Attempts at scripted deployments, and what spans, counters, access lines and totals say of their tokens and cost.

Each transaction is a router's own, with real telemetry; `differences` is empty if all of them say the same.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from app.backends.attempts import AttemptControl
from app.backends.router import Router
from app.errors import GatewayError
from app.messages import Batch, ModelResponse, Received, Request
from app.prices import cost_of
from app.settings import Deployment, RouterSettings, UpstreamBreakerSettings
from app.stages import generated, pieces_of
from telemetry import Attempt, ObservabilityContext, Tokens
from telemetry.names import ACCESS_LOGGER, TOKEN_TYPES
from tests.unit.backends.fakes import Clock
from tests.unit.telemetry.fakes import Bench, attributes_of

_SPANS = {
    "prompt": "gen_ai.usage.input_tokens",
    "completion": "gen_ai.usage.output_tokens",
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
}
_LINES = {
    "prompt": "input_tokens",
    "completion": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
_COST = "flowspan_cost_usd_total", ""
_COUNTERS = ["flowspan_tokens_total", "gen_ai_client_token_usage_sum", "flowspan_cost_usd_total"]
PRICE = cost_of({"input_cost_per_token": 1, "output_cost_per_token": 4, "cache_read_input_token_cost": 0.25})
"""US dollars that sums of are exact."""


_DEPLOYMENTS = (
    Deployment(id="a", model_name="m", model="x/a", provider="p", cost=PRICE),
    Deployment(id="b", model_name="m", model="x/b", provider="p", cost=PRICE),
    Deployment(id="c", model_name="other", model="x/c", provider="q"),
)


@dataclass(frozen=True)
class Played:
    """What one attempt is answered: chunks, then an error, or silence where the client is to leave, or a proper end.
    `is_sent`: the request reaches the provider."""

    chunks: Sequence[ModelResponse] = ()
    error: BaseException | None = None
    is_left: bool = False
    is_sent: bool = True


class _Backend:
    def __init__(self, played: Iterator[Played]) -> None:
        self._played = played
        self.silent = asyncio.Event()

    @generated
    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        played = self._next(attempt)
        for chunk in played.chunks:
            yield (Received(chunk),)
        await self._end(played)

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        played = self._next(attempt)
        await self._end(played)
        return Received(played.chunks[0])

    async def count_tokens(self, request: Request) -> int:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _next(self, attempt: Attempt) -> Played:
        played = next(self._played)
        if played.is_sent:
            attempt.is_sent = True
        return played

    async def _end(self, played: Played) -> None:
        if played.error is not None:
            raise played.error
        if played.is_left:
            self.silent.set()
            await asyncio.Event().wait()


@dataclass
class Books:
    """Two deployments of the model `m`, then the fallback `other`, whose price nobody knows."""

    bench: Bench = field(default_factory=lambda: Bench(models=(("m", "p"), ("other", "q"))))
    lines: list[Mapping[str, Any]] = field(default_factory=list)
    transactions: list[ObservabilityContext] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._before = self._samples()

    def begin(self) -> None:
        """Forget what was: to make new telemetry takes longer."""
        self.bench.exporter.clear()
        self.lines.clear()
        self.transactions.clear()
        self._before = self._samples()

    async def play(self, request: Request, attempts: Sequence[Played]) -> None:
        """One transaction; each attempt is answered as told, and there are no more answers than attempts."""
        backend = _Backend(iter(attempts))
        clock = Clock()
        router = Router(
            _DEPLOYMENTS,
            RouterSettings(num_retries=5, fallbacks={"m": ("other",)}),
            control=AttemptControl(UpstreamBreakerSettings(threshold=1000, min_requests=1000), clock),
            make_backend=lambda _: backend,
            clock=clock,
            rng=random.Random(1),
            sleep=clock.sleep,
        )
        with self.bench.open() as obs, self._logged():
            obs.describe(model="m", provider="p")
            await self._asked(router, request, backend, obs)
            obs.finish("ok", status=200)
        self.transactions.append(obs)

    async def _asked(self, router: Router, request: Request, backend: _Backend, obs: ObservabilityContext) -> None:
        reading = asyncio.create_task(_read(router, request, obs))
        leaving = asyncio.create_task(backend.silent.wait())
        await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        leaving.cancel()
        await asyncio.gather(reading, leaving, return_exceptions=True)

    @contextmanager
    def _logged(self) -> Iterator[None]:
        handler = _Collecting(self.lines)
        logger = logging.getLogger(ACCESS_LOGGER)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def attempts(self) -> list[Mapping[str, Any]]:
        """The attributes of all attempts."""
        found = [attributes_of(span) for span in self.bench.exporter.get_finished_spans()]
        return [one for one in found if "flowspan.deployment" in one]

    def differences(self) -> list[str]:
        """Where two of the accounts differ, to the token."""
        sums = {
            "spans": _summed(self.attempts(), _SPANS),
            "lines": _summed(self.lines, _LINES),
            "counters": self._counted(),
            "totals": self._totals(),
        }
        faults = [f"{name}: {found}, spans: {sums['spans']}" for name, found in sums.items() if found != sums["spans"]]
        dollars = {
            "spans": sum(one.get("flowspan.cost_usd", 0) for one in self.attempts()),
            "lines": sum(one.get("cost_usd", 0) for one in self.lines),
            "counters": self._samples().get(_COST, 0.0) - self._before.get(_COST, 0.0),
            "totals": sum(obs.attempts.totals.cost_usd or 0 for obs in self.transactions),
        }
        return faults + ([f"cost: {dollars}"] if len(set(dollars.values())) > 1 else [])

    def _counted(self) -> dict[str, int]:
        now = self._samples()
        grew = {key: int(now[key] - self._before.get(key, 0)) for key in now}
        parts = {kind: grew.get(("flowspan_tokens_total", kind), 0) for kind in TOKEN_TYPES}
        prompt = parts["input"] + parts["cache_read"] + parts["cache_write"]
        completion = parts["output"] + parts["reasoning"]
        histogram = [grew.get(("gen_ai_client_token_usage_sum", kind), 0) for kind in ("input", "output")]
        assert histogram == [prompt, completion]
        found = {name: parts[name] for name in ("cache_read", "cache_write", "reasoning")}
        return {"prompt": prompt, "completion": completion, **found}

    def _totals(self) -> dict[str, int]:
        counted = [obs.attempts.totals.tokens or Tokens(0, 0, 0, 0, 0) for obs in self.transactions]
        return {name: sum(getattr(tokens, name) for tokens in counted) for name in _SPANS}

    def _samples(self) -> dict[tuple[str, str], float]:
        """The counters by name and type of token, over all other labels."""
        found: dict[tuple[str, str], float] = {}
        for family in self.bench.registry.restricted_registry(_COUNTERS).collect():
            for sample in family.samples:
                kind = sample.labels.get("token_type") or sample.labels.get("gen_ai_token_type") or ""
                found[sample.name, kind] = found.get((sample.name, kind), 0.0) + sample.value
        return found


class _Collecting(logging.Handler):
    def __init__(self, lines: list[Mapping[str, Any]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(getattr(record, "fields", {}))


async def _read(router: Router, request: Request, obs: ObservabilityContext) -> None:
    with suppress(GatewayError):
        if not request.stream:
            await router.complete(request, obs)
            return
        opened = await router.open(request, obs)
        try:
            async for _ in pieces_of(opened.rest):
                pass
        finally:
            await opened.rest.aclose()


def _summed(found: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, int]:
    return {name: sum(one.get(key) or 0 for one in found) for name, key in names.items()}

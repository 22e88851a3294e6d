"""Hundreds of open streams over twenty configurations: each ends as it began, and every count is right."""

import asyncio
import gc
import os
import re
import weakref
from pathlib import Path

from tests.behaviour.clients import ask
from tests.behaviour.gateway import configuration, until
from tests.behaviour.many_clients import RawReply, content, stream
from tests.behaviour.reloading import ReloadingGateway

_STREAMS = 500
_RELOADS = 20
_WORDS = 12
_STAMP = """
from flowspan import Policy

class Stamp(Policy):
    def __init__(self, *, mark: str) -> None:
        self.mark = mark

    async def on_content_delta(self, text, ctx):
        await ctx.emit_text(text.replace("@", self.mark))
"""


def _text(number: int) -> str:
    """The configuration of a generation: its key, its model, its policy and its limits are no other's."""
    limits = f"""
  keys: [{{name: caller, key: {_key(number)}}}]
  policies: [{{use: './stamp.py:Stamp', config: {{mark: '<{number}>'}}}}]
  pipeline: {{queue_items: {100 + number}, keepalive_interval: {10 + number}s}}
  breakers: {{upstream: {{threshold: {5 + number}}}}}
  server: {{body_limit: {1 + number} MiB, drain_timeout: {30 + number}s, max_connections: {2000 + number}}}
  telemetry: {{spans: {("all", "attempts")[number % 2]}, prompt_cache: {("true", "false")[number % 2]}}}"""
    models = [f"m{number}: {{model: simulated/echo+pace-250}}", "stays: {model: simulated/echo}"]
    return configuration(models, limits, f"litellm_settings: {{num_retries: {number % 3}}}")


def _key(number: int) -> str:
    return f"key-of-generation-{number:04}"


async def _stream(port: int, number: int, stream_number: int, begun: asyncio.Semaphore) -> RawReply:
    text = " ".join(f"@{stream_number}.{word}" for word in range(_WORDS))
    return await stream(port, ask(f"m{number}", text=text, stream=True), _key(number), begun)


async def _status(port: int, model: str, key: str) -> int:
    return (await stream(port, ask(model), key)).status


Counters = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _counters(gateway: ReloadingGateway) -> Counters:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in gateway.telemetry.registry.collect()
        for sample in family.samples
        if sample.name.endswith(("_total", "_bucket", "_count"))
    }


def _fallen(before: Counters, after: Counters) -> list[object]:
    return [name for name, value in before.items() if after.get(name, -1) < value]


async def _load(gateway: ReloadingGateway) -> tuple[list[tuple[int, RawReply]], dict[int, int]]:
    """All streams with the generation that each began with, and how many other requests ended with which status."""
    streams: list[asyncio.Task[RawReply]] = []
    generations: list[int] = []
    statuses: dict[int, int] = {}
    begun = asyncio.Semaphore(0)
    counters = _counters(gateway)
    for number in range(1, _RELOADS + 2):
        if number > 1:
            await asyncio.to_thread(gateway.change, _text(number))
        batch = _STREAMS // 2 if number == 1 else _STREAMS // 2 // _RELOADS
        batch += _STREAMS - _STREAMS // 2 - _RELOADS * (_STREAMS // 2 // _RELOADS) if number == 2 else 0
        streams += [
            asyncio.create_task(_stream(gateway.port, number, len(streams) + one, begun)) for one in range(batch)
        ]
        generations += [number] * batch
        for _ in range(batch):
            await asyncio.wait_for(begun.acquire(), 30)
        for model, key in (("stays", number), ("stays", number - 1), (f"m{number - 1}", number)):
            status = await _status(gateway.port, model, _key(key))
            statuses[status] = statuses.get(status, 0) + 1
        after = _counters(gateway)
        assert _fallen(counters, after) == []
        counters = after
    bodies = await asyncio.gather(*streams)
    assert _fallen(counters, _counters(gateway)) == []
    return list(zip(generations, bodies, strict=True)), statuses


def test_no_stream_is_lost_over_twenty_configurations(tmp_path: Path) -> None:
    (tmp_path / "stamp.py").write_text(_STAMP)
    with ReloadingGateway(tmp_path, _text(1)) as gateway:
        assert asyncio.run(_status(gateway.port, "stays", _key(1))) == 200
        descriptors = len(os.listdir("/proc/self/fd"))
        first = gateway.app.gateway
        known = [weakref.ref(one) for one in (first.router, first.chains[()].orchestrator, first.policies[0].policy)]
        del first
        streams, statuses = asyncio.run(_load(gateway))

        for number, (generation, answer) in enumerate(streams):
            assert (answer.status, answer.is_whole) == (200, True)
            expected = " ".join(f"<{generation}>{number}.{word}" for word in range(_WORDS))
            assert content(answer.body) == expected
            assert answer.body.endswith(b"data: [DONE]\n\n")
        others = _RELOADS + 1
        assert statuses == {200: others, 401: others, 404: others}
        gateway.wait_until_idle()
        assert gateway.outcomes() == {"ok": _STREAMS + others + 1, "client_error": 2 * others}
        assert gateway.sample("flowspan_key_requests_total", key="caller") == _STREAMS + 2 * others + 1
        assert gateway.sample("flowspan_streams_delivered_total", result="complete") == _STREAMS
        assert gateway.sample("flowspan_config_generation") == others
        assert gateway.sample("flowspan_config_reloads_total", result="applied") == _RELOADS
        generations = [line["config_generation"] for line in gateway.logs() if line.get("outcome") == "ok"]
        assert sorted(set(generations)) == list(range(1, others + 1))

        def forgotten() -> bool:
            gc.collect()
            return all(one() is None for one in known)

        until(forgotten, "what the first configuration was made of is gone")
        until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "all descriptors are given back")
        assert not re.search("key-of-generation", gateway.log.getvalue())

"""A first look at cost: CPU of the gateway's process per small request and per chunk, beside a bare passthrough.

    python -m bench.first_look

The gateway has one core, the load and the mock upstream the other. Three rounds in alternating order; medians and the
ratio to the floor of the same run. Traces go to a receiver, all of them (but for the row that says otherwise); metrics
and the access log are on.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROUNDS = 3
CONCURRENCY = 32
CHUNKS = 200
TICK = os.sysconf("SC_CLK_TCK")
CONFIG = """
model_list:
  - model_name: direct
    litellm_params: {{model: openai/mock-{chunks}, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
  - model_name: litellm
    litellm_params: {{model: openai/mock-{chunks}, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
    backend: litellm
{policies}
"""
REDACT = "gateway: {policies: [redact]}"


@dataclass(frozen=True)
class Row:
    name: str
    gateway: str
    model: str
    requests: int
    streams: int


ROWS = (
    Row("floor", "floor", f"mock-{CHUNKS}", 2000, 200),
    Row("flowspan", "flowspan", "direct", 2000, 200),
    Row("flowspan, redact", "redact", "direct", 2000, 200),
    Row("flowspan, no traces", "untraced", "direct", 2000, 200),
    Row("flowspan, by LiteLLM", "flowspan", "litellm", 160, 32),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(core: int, *command: str, env: dict[str, str] | None = None) -> Iterator[int]:
    child = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **(env or {})},
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core % (os.cpu_count() or 1)}),
    )
    try:
        yield child.pid
    finally:
        child.terminate()
        child.wait()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def drive(url: str, model: str, count: int, stream: bool) -> None:
    """`count` requests, `CONCURRENCY` at once; every stream must be complete."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    left = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
                    data = await reply.read()
                    if reply.status != 200 or (stream and not data.endswith(b"data: [DONE]\n\n")):
                        raise RuntimeError(f"{model}: {reply.status} {data[-300:]!r}")

        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))


async def ready(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(1200):
            try:
                async with session.get(f"{url}/readyz"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise RuntimeError(f"{url} did not come up")


async def measure(row: Row, url: str, pid: int) -> tuple[float, float]:
    """Microseconds of CPU per small request, and per chunk."""
    await drive(url, row.model, CONCURRENCY, stream=False)
    await drive(url, row.model, CONCURRENCY, stream=True)
    before = cpu_seconds(pid)
    await drive(url, row.model, row.requests, stream=False)
    between = cpu_seconds(pid)
    await drive(url, row.model, row.streams, stream=True)
    after = cpu_seconds(pid)
    return (between - before) / row.requests * 1e6, (after - between) / (row.streams * CHUNKS) * 1e6


@contextmanager
def gateways(upstream: int) -> Iterator[dict[str, tuple[str, int]]]:
    ports = {name: free_port() for name in ("floor", "flowspan", "redact", "untraced")}
    otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{upstream}"}
    with tempfile.TemporaryDirectory() as folder:
        command = {}
        flowspan_script = str(Path(sys.executable).with_name("flowspan"))
        for name, policies in (("flowspan", ""), ("redact", REDACT), ("untraced", "")):
            file = Path(folder, f"{name}.yaml")
            file.write_text(CONFIG.format(chunks=CHUNKS, upstream=upstream, policies=policies))
            command[name] = [flowspan_script, "serve", "--config", str(file), "--port", str(ports[name])]
        with (
            process(0, "-m", "bench.floor", str(ports["floor"]), f"http://127.0.0.1:{upstream}") as floor,
            process(0, *command["flowspan"], "--metrics-port", "0", env=otlp) as flowspan,
            process(0, *command["redact"], "--metrics-port", "0", env=otlp) as redact,
            process(0, *command["untraced"], "--metrics-port", "0") as untraced,
        ):
            pids = {"floor": floor, "flowspan": flowspan, "redact": redact, "untraced": untraced}
            yield {name: (f"http://127.0.0.1:{port}", pids[name]) for name, port in ports.items()}


async def run() -> None:
    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    upstream = free_port()
    figures: dict[str, list[tuple[float, float]]] = {row.name: [] for row in ROWS}
    with process(1, "-m", "bench.upstream", str(upstream)), gateways(upstream) as running:
        for url, _ in running.values():
            await ready(url)
        for turn in range(ROUNDS):
            for row in ROWS if turn % 2 == 0 else reversed(ROWS):
                figures[row.name].append(await measure(row, *running[row.gateway]))
    report(figures)


def report(figures: dict[str, list[tuple[float, float]]]) -> None:
    medians = {
        name: (statistics.median(each[0] for each in rounds), statistics.median(each[1] for each in rounds))
        for name, rounds in figures.items()
    }
    floor = medians["floor"]
    write = sys.stdout.write
    write(f"{'':30}{'us/small request':>18}{'x floor':>9}{'us/chunk':>12}{'x floor':>9}\n")
    for name, (request, chunk) in medians.items():
        write(f"{name:30}{request:18.0f}{request / floor[0]:9.2f}{chunk:12.1f}{chunk / floor[1]:9.2f}\n")
    write(f"{ROUNDS} rounds, medians; {CONCURRENCY} at once; {time.strftime('%Y-%m-%d')}\n")


if __name__ == "__main__":
    asyncio.run(run())

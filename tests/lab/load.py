"""Others' latency under load: `python -m tests.lab.load`.

First 1,000 paced streams at once: memory of each, and how long others wait. Then 500 held ones while each attack runs
for some seconds. Others are small streams and `/livez`, one of each every 50 ms. Bounded in count and time.
"""

import asyncio
import json
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import click

from tests.behaviour.clients import CHAT, ask
from tests.behaviour.gateway import configuration, simulated
from tests.lab.account import verdict
from tests.lab.clients import Manner, request, visit
from tests.lab.process import ServedGateway

_KEY = "sk-laboratory-0123456789abcdef"
_OURS = {"authorization": f"Bearer {_KEY}"}
_GATEWAY = "  policies: [redact]\n  server: {header_timeout: 5s}"
_REST = f"general_settings: {{master_key: {_KEY}}}\nlitellm_settings: {{num_retries: 0}}"
_PACED = "lorem-300+pace-500"
_PROBES = Manner(timeout=60)
_MB = 1 << 20
_PIECE = 1 << 16
Attacker = Callable[[int, float], Coroutine[Any, Any, None]]
"""Given the port and when to end, by the monotonic clock."""


@dataclass
class Waits:
    """Latencies in seconds."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def row(self) -> str:
        cuts = quantiles(self.seconds, n=100, method="inclusive") if len(self.seconds) > 1 else [0.0] * 99
        figures = [cuts[49], cuts[98], max(self.seconds, default=0.0)]
        return " | ".join(f"{1000 * seconds:.0f}" for seconds in figures) + f" | {self.failed}"


async def _open(port: int) -> socket.socket:
    raw = socket.socket()
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    return raw


async def _send(port: int, until: float, head: bytes, piece: bytes, most: int, reads: bool = False) -> None:
    """`piece` again and again, `most` bytes in all, without or with reading what comes back."""
    loop = asyncio.get_running_loop()
    with suppress(OSError, TimeoutError), await _open(port) as raw:
        async with asyncio.timeout_at(loop.time() + max(0.0, until - time.monotonic())):
            await loop.sock_sendall(raw, head)
            reading = asyncio.create_task(_drain(raw)) if reads else None
            try:
                for _ in range(most // len(piece)):
                    await loop.sock_sendall(raw, piece)
            finally:
                if reading is not None:
                    reading.cancel()
            await asyncio.sleep(until - time.monotonic())


async def _drain(raw: socket.socket) -> None:
    with suppress(OSError):
        while await asyncio.get_running_loop().sock_recv(raw, _PIECE):
            pass


async def early_answers(port: int, until: float) -> None:
    """Bodies that nobody wants, of callers without a key."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 30000000\r\n\r\n"
    await asyncio.gather(*(_send(port, until, head, b"x" * _PIECE, 30_000_000) for _ in range(8)))


async def pipelining(port: int, until: float) -> None:
    piece = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 1000
    await asyncio.gather(*(_send(port, until, b"", piece, 20_000_000, reads=bool(at % 2)) for at in range(4)))


async def trailers(port: int, until: float) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
    piece = b"x-trailer: " + b"y" * 1000 + b"\r\n"
    await asyncio.gather(*(_send(port, until, head + b"0\r\n", piece, 10_000_000) for _ in range(4)))


async def slow_heads(port: int, until: float) -> None:
    async def one() -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError), await _open(port) as raw:
            await loop.sock_sendall(raw, b"GET /livez HTTP/1.1\r\n")
            while time.monotonic() < until:
                await loop.sock_sendall(raw, b"x-more: y\r\n")
                await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(300)))


async def small_values(port: int, until: float) -> None:
    """A body of very many values, by somebody who has a key."""
    body = b'{"model": "echo", "messages": [{"role": "user", "content": [' + b'"",' * 2_000_000 + b'""]}]}'
    while time.monotonic() < until:
        await visit(port, request(CHAT, body, _OURS), Manner(timeout=60))


async def hostile_texts(port: int, until: float) -> None:
    """What the patterns of `redact` try in many ways."""
    texts = ("(1" * 30_000, "a@" * 30_000, "-----BEGIN PRIVATE KEY-----\n" + "A" * 60_000, "4111 " * 12_000)

    async def one(text: str) -> None:
        while time.monotonic() < until:
            await visit(port, request(CHAT, ask("echo", text=text, stream=True), _OURS), Manner(timeout=60))

    await asyncio.gather(*map(one, texts))


async def no_readers(port: int, until: float) -> None:
    data = request(CHAT, ask("lorem-20000", stream=True), _OURS)
    await asyncio.gather(*(_send(port, until, b"", data, len(data)) for _ in range(50)))


ATTACKERS: dict[str, Attacker] = {
    attacker.__name__.replace("_", " "): attacker
    for attacker in (early_answers, pipelining, trailers, slow_heads, small_values, hostile_texts, no_readers)
}


async def _others(port: int, until: float) -> tuple[Waits, Waits]:
    """A small stream and a look at `/livez`, again and again."""
    streams, probes = Waits(), Waits()
    stream = request(CHAT, ask("echo", stream=True), _OURS)
    probe = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"

    async def one(waits: Waits, data: bytes) -> None:
        while time.monotonic() < until:
            since = time.monotonic()
            seen = await visit(port, data, _PROBES)
            waits.seconds.append(time.monotonic() - since)
            waits.failed += verdict(seen) != "finished"
            await asyncio.sleep(0.05)

    await asyncio.gather(one(streams, stream), one(probes, probe))
    return streams, probes


@asynccontextmanager
async def _held(gateway: ServedGateway, count: int) -> AsyncIterator[None]:
    """So many paced streams, each of which has had its first bytes."""
    loop = asyncio.get_running_loop()
    data = request(CHAT, ask(_PACED, stream=True), _OURS)
    connections: list[socket.socket] = []
    readers: list[asyncio.Task[None]] = []
    try:
        for _ in range(count):
            raw = await _open(gateway.port)
            connections.append(raw)
            await loop.sock_sendall(raw, data)
        for raw in connections:
            assert (await loop.sock_recv(raw, _PIECE)).startswith(b"HTTP/1.1 200")
            readers.append(asyncio.create_task(_drain(raw)))
        yield
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for raw in connections:
            raw.close()


async def _measure(gateway: ServedGateway, name: str, streams: int, seconds: float, attacker: Attacker | None) -> str:
    before = gateway.used().resident
    gateway.forget_peak()
    async with _held(gateway, streams):
        during = gateway.used().resident
        until = time.monotonic() + seconds
        attacking = asyncio.create_task(attacker(gateway.port, until)) if attacker is not None else None
        others, probes = await _others(gateway.port, until)
        if attacking is not None:
            await attacking
    await asyncio.to_thread(gateway.wait_until_idle, 120)
    peak, after = gateway.used().peak, gateway.used().resident
    memory = " | ".join(f"{size / _MB:.0f}" for size in (before, peak, after))
    each = f"{(during - before) / 1024 / streams:.0f}" if streams else ""
    return f"| {name} | {streams} | {others.row()} | {probes.row()} | {memory} | {each} |"


@click.command()
@click.option("--seconds", type=float, default=8, show_default=True, help="For each attack.")
@click.option("--streams", type=int, default=1000, show_default=True, help="At once, without an attack.")
@click.option("--held", type=int, default=500, show_default=True, help="While an attack runs.")
@click.option("--attacks", "part", default="", help="Only those with this in their name.")
def main(seconds: float, streams: int, held: int, part: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    models = simulated("echo", "lorem-20000", _PACED)
    click.echo("| load | streams | stream p50, ms | p99 | max | failed | livez p50, ms | p99 | max | failed ", nl=False)
    click.echo("| MB before | peak | after | kB each |\n" + "| --- " * 14 + "|")
    cases: list[tuple[str, int, Attacker | None]] = [("nothing", 0, None), ("streams", streams, None)]
    cases += [(name, held, attacker) for name, attacker in ATTACKERS.items() if part in name]
    for name, count, attacker in cases:
        # Each on a gateway of its own: what one attack leaves must not be another one's start.
        with ServedGateway(configuration(models, _GATEWAY, _REST)) as gateway:
            click.echo(asyncio.run(_measure(gateway, name, count, seconds, attacker)))
            errors = [line for line in gateway.new_lines() if line.get("level") == "error" or "text" in line]
            if errors:
                click.echo(f"{name}: the log has {json.dumps(errors[0])[:500]}", err=True)
                sys.exit(1)


if __name__ == "__main__":
    main()

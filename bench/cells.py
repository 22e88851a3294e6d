"""What is measured of each row: cells, each a kind of load, its unit and how it is driven."""

import asyncio
import json
from dataclasses import dataclass
from statistics import median

from bench.load import RequestKind, ask, drive, hold
from bench.rows import ANTHROPIC, RESPONSES, Row
from bench.servers import Server

OPENAI_END, ANTHROPIC_END = b"data: [DONE]\n\n", b'data: {"type":"message_stop"}\n\n'
RESPONSES_END = b'"usage":{"input_tokens":9,"output_tokens":8,"total_tokens":17}}}\n\n'
_ENDS = {ANTHROPIC: ANTHROPIC_END, RESPONSES: RESPONSES_END}
PROMPT = "The quick brown fox jumps over the lazy dog. " * 2300


@dataclass(frozen=True)
class Figures:
    """One measurement: `cost` in the cell's unit; delays in seconds, of the first byte and of each chunk."""

    cost: float
    first_byte: float | None = None
    chunk_p50: float | None = None
    chunk_p99: float | None = None


@dataclass(frozen=True)
class Cell:
    name: str
    unit: str
    model: str
    count: int
    at_once: int
    stream: bool = False
    chunks: int = 0
    prompt: str = "hi"
    pause: float = 0
    """Seconds between the chunks of a paced stream, each of which holds the time of its sending."""

    @property
    def is_paced(self) -> bool:
        return self.pause > 0

    @property
    def seconds(self) -> float:
        """Seconds that a paced stream takes."""
        return self.pause * self.chunks


HELD = Cell("500 held streams", "KB/stream", "bench-hold", 500, 500, True)
"""The cell that measures memory, first and once: memory that an earlier load left free would not be counted."""
SMALL = Cell("small JSON, 32 at once", "us/request", "bench-20", 4000, 32)
PACED = Cell("50 chunks at 20 ms, 100 at once", "us/chunk", "bench-50-20", 500, 100, True, 50, pause=0.02)
CELLS = (
    HELD,
    Cell("small JSON, 1 at once", "us/request", "bench-20", 1000, 1),
    SMALL,
    Cell("100 kB prompt, 8 at once", "us/request", "bench-20", 400, 8, prompt=PROMPT),
    Cell("burst of 200 chunks, 1 at once", "us/chunk", "bench-200", 200, 1, True, 200),
    Cell("burst of 200 chunks, 32 at once", "us/chunk", "bench-200", 600, 32, True, 200),
    PACED,
    Cell("250 chunks at 20 ms, 100 at once", "us/chunk", "bench-250-20", 200, 100, True, 250, pause=0.02),
    Cell("50 chunks at 20 ms, 500 at once", "us/chunk", "bench-50-20", 1500, 500, True, 50, pause=0.02),
)


async def measure(cell: Cell, row: Row, server: Server, share: float = 1.0) -> Figures:
    what = asking(cell, row)
    if cell is HELD:
        return Figures(await _memory(server, what, cell.count))
    count = max(cell.at_once, round(cell.count * share))
    # Connections, caches and code are warm before the clock starts.
    await drive(server.port, what, max(2, min(cell.at_once, count // 4)), cell.at_once, spread=cell.seconds)
    before = server.cpu_seconds()
    seen = await drive(server.port, what, count, cell.at_once, stamped=cell.is_paced, spread=cell.seconds)
    used = server.cpu_seconds() - before
    delays = sorted(seen.delays)
    return Figures(
        used / (count * max(1, cell.chunks)) * 1e6,
        median(seen.first_bytes),
        delays[len(delays) // 2] if delays else None,
        delays[len(delays) * 99 // 100] if delays else None,
    )


def asking(cell: Cell, row: Row) -> RequestKind:
    """What the clients of a cell ask the gateway of a row."""
    messages = [{"role": "user", "content": cell.prompt}]
    prompt = (
        {"input": messages, "max_output_tokens": 1000}
        if row.path == RESPONSES
        else {"messages": messages, "max_tokens": 1000}
    )
    body = {"model": row.prefix + cell.model, **prompt, "stream": cell.stream}
    ending = _ENDS.get(row.path, OPENAI_END) if cell.stream else b"}"
    return ask(row.path, json.dumps(body).encode(), ending, cell.chunks, row.headers)


async def _memory(server: Server, what: RequestKind, count: int) -> float:
    for connection in await hold(server.port, what, 20):
        connection.close()
    await asyncio.sleep(1)
    before = server.resident_bytes()
    connections = await hold(server.port, what, count)
    after = server.resident_bytes()
    for connection in connections:
        connection.close()
    await asyncio.sleep(1)
    return (after - before) / count / 1000

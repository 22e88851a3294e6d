"""The open streams as a table, the oldest first, with what each waits for and what its queues hold."""

from collections.abc import Sequence

from rich.text import Text

from app.demo.ledger_bar import COLOURS
from telemetry.live import StreamView

_APIS = {"openai_chat": "openai", "anthropic_messages": "anthro", "openai_responses": "respns"}
_WIDE = 60


def stream_table(streams: Sequence[StreamView], width: int, rows: int) -> list[Text]:
    wide = width >= _WIDE
    oldest = sorted(streams, key=lambda stream: -stream.seconds)
    shown = oldest if len(oldest) < rows else oldest[: rows - 2]
    lines = [_header(wide), *(_row(stream, wide) for stream in shown)]
    if len(shown) < len(oldest):
        lines.append(Text(f"and {len(oldest) - len(shown)} more", "dim"))
    return lines


def _header(wide: bool) -> Text:
    if wide:
        return Text(f"{'model':<9}{'api':<7}{'age':>6}  {'waits for':<10}{'policy_out':<14}{'sse':<12}", "dim")
    return Text(f"{'model':<8} {'api':<6} {'age':>5} {'waits':<8} {'out':>3} {'sse':>3}", "dim")


def _row(stream: StreamView, wide: bool) -> Text:
    api, age = _APIS.get(stream.api, stream.api), f"{stream.seconds:.1f}s"
    waits = (stream.waiting_for, COLOURS[stream.waiting_for])
    depths = [stream.queued.get(name) for name in ("policy_out", "sse")]
    if not wide:
        counts = " ".join(f"{'-' if depth is None else depth:>3}" for depth in depths)
        line = Text(f"{stream.model[:8]:<8} {api:<6} {age:>5} ")
        return line.append(f"{waits[0]:<8}", waits[1]).append(f" {counts}")
    line = Text(f"{stream.model[:8]:<9}{api:<7}{age:>6}  ").append(f"{waits[0]:<10}", waits[1])
    for depth, space in zip(depths, (14, 12), strict=True):
        line.append(_bar(depth).ljust(space), "yellow")
    return line


def _bar(depth: int | None) -> str:
    """Half a cell for an item."""
    if depth is None:
        return "-"
    cells = min(8, -(-depth // 2))
    return f"{'█' * cells} {depth}" if depth else "0"

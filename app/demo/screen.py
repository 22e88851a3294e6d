"""The live view as lines: a scene and the terminal's size in, exactly so many lines out. Pure.

From 80 x 24 upwards: a larger screen shows more streams, more of the log and longer bars.
"""

from collections.abc import Sequence

from rich.text import Text

from app.demo.flow_picture import flow_picture
from app.demo.ledger_bar import ledger_bar, legend
from app.demo.log_tail import Moment, Tone
from app.demo.scene import Scene
from app.demo.stream_table import stream_table
from telemetry.names import OUTCOMES

_TONES: dict[Tone, str] = {"good": "green", "warning": "yellow", "bad": "red", "plain": "default"}
_STATES = (("open", "red"), ("half_open", "yellow"), ("closed", "green"))
_FIXED = 12
"""Lines that every screen has: headings, flow, ledger, hints."""
_WIDE = 110
_ROWS, _LOG_ROWS = 10, 4
"""What streams and moments have, where there is room for it; what is left over goes to the moments."""


def draw(scene: Scene, width: int, height: int) -> Text:
    free = max(2, height - _FIXED)
    rows = max(1, min(free - _LOG_ROWS, max(_ROWS, len(scene.snapshot.breakers) + 1)))
    lines = [
        _header(scene, width),
        heading("flow", width),
        *flow_picture(scene, width),
        *_middle(scene, width, rows),
        heading("where the time goes, last 5 s", width),
        *_ledger(scene, width),
        heading("moments", width),
        *_moments(scene, free - rows),
        *_hints(scene, width),
    ]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True, end="").join(lines[:height])


def heading(title: str, width: int) -> Text:
    return Text.assemble(("── ", "dim"), (title, "bold"), (f" {'─' * max(0, width - len(title) - 4)}", "dim"))


def _header(scene: Scene, width: int) -> Text:
    minutes, seconds = divmod(int(scene.elapsed), 60)
    left = Text.assemble((" flowspan demo ", "bold reverse"), f"  {minutes}:{seconds:02d}  {scene.metrics_url}")
    right = "q or Ctrl-C ends "
    return left.append(right.rjust(max(len(right) + 2, width - len(left))), "dim")


def _middle(scene: Scene, width: int, rows: int) -> list[Text]:
    left, right = (28, 26) if width >= _WIDE else (18, 20)
    main = width - left - right - 4
    in_flight = sum(scene.snapshot.in_flight.values())
    blocks = (
        (main, [heading(f"streams in flight: {in_flight}", main), *stream_table(scene.snapshot.streams, main, rows)]),
        (left, [heading("breakers", left), *_breakers(scene, left, rows)]),
        (right, [heading("outcomes", right), *_outcomes(scene, right, rows)]),
    )
    return [Text("  ").join(_cell(block, row, size) for size, block in blocks) for row in range(rows + 1)]


def _cell(block: Sequence[Text], row: int, width: int) -> Text:
    line = block[row].copy() if row < len(block) else Text()
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _breakers(scene: Scene, width: int, rows: int) -> list[Text]:
    """What is not closed comes first; of the closed ones those that do not go in are counted."""
    states = scene.snapshot.breakers
    named = [(name, state, colour) for state, colour in _STATES for name in sorted(states) if states[name] == state]
    shown = named if len(named) <= rows else named[: rows - 1]
    lines = []
    for name, state, colour in shown:
        word = "" if state == "closed" else state.replace("_", "-")
        short = name if len(name) + len(word) + 3 <= width else name[: width - len(word) - 4] + "…"
        lines.append(Text.assemble(("● ", colour), short, " " * (width - len(short) - len(word) - 2), (word, colour)))
    if len(shown) < len(named):
        lines.append(Text(f"  and {len(named) - len(shown)} more", "dim"))
    return lines


def _outcomes(scene: Scene, width: int, rows: int) -> list[Text]:
    counts = scene.snapshot.outcomes
    lines = [_count(outcome, counts[outcome], width) for outcome in OUTCOMES if counts[outcome]]
    return [*lines[: rows - 1], _count("in all", sum(counts.values()), width, "bold")]


def _count(name: str, count: int, width: int, style: str = "") -> Text:
    colour = style or ("green" if name == "ok" else "default")
    return Text.assemble((name, colour), (str(count).rjust(max(0, width - len(name))), colour))


def _ledger(scene: Scene, width: int) -> list[Text]:
    shares = scene.rates.shares
    return [ledger_bar(shares, width) if any(shares.values()) else Text("nothing yet", "dim"), legend(shares, width)[0]]


def _moments(scene: Scene, rows: int) -> list[Text]:
    newest = scene.moments[-rows:]
    lines = [
        Text.assemble((f"{one.at} ", "dim"), ("● ", _TONES[one.tone]), one.text, (_times(one), "dim")) for one in newest
    ]
    return lines + [Text() for _ in range(rows - len(lines))]


def _times(moment: Moment) -> str:
    return f" x{moment.times}" if moment.times > 1 else ""


def _hints(scene: Scene, width: int) -> list[Text]:
    command = f"curl -N {scene.url}/v1/chat/completions"
    body = """-d '{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}'"""
    if len(command) + len(body) + 1 <= width:
        return [Text(), Text(f"{command} {body}", "cyan")]
    return [Text(f"{command} \\", "cyan"), Text(body, "cyan")]

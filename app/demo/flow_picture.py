"""The way of a stream, left to right, as three lines: stations with their rates, queues with their depth, and a dot
for each open stream at the station that it is waiting for.
"""

from collections import Counter

from rich.text import Text

from app.demo.scene import Scene
from telemetry.names import QUEUES
from telemetry.snapshot import QueueView, Snapshot

_STATIONS = ("upstream", "policies", "policy_out", "formatter", "sse", "client")
_PLACE = {"upstream": "upstream", "policy": "policies", "format": "formatter", "client": "client"}
_COLOURS = dict(zip(_STATIONS, ("cyan", "magenta", "yellow", "blue", "yellow", "green"), strict=True))


def flow_picture(scene: Scene, width: int) -> list[Text]:
    gap = 6 if width >= 100 else 4
    even = (width - 5 * gap) // 6
    narrow = max(9, even - 3)
    waiting = _waiting(scene.snapshot)
    moving = scene.rates.chunks > 0
    names, figures, dots = Text(), Text(), Text()
    for place, station in enumerate(_STATIONS):
        # A queue's bar is what one looks at: it gets the room that the others can spare.
        cell = even + 2 * (even - narrow) if station in QUEUES else narrow
        names.append(station.ljust(cell), f"bold {_COLOURS[station]}")
        figures.append_text(_figure(scene, station, cell))
        dots.append_text(_dots(waiting[station], cell, _COLOURS[station]))
        if place < len(_STATIONS) - 1:
            names.append_text(_arrow(gap, (scene.turn - place) if moving else None))
            figures.append(" " * gap)
            dots.append(" " * gap)
    return [names, figures, dots]


def _waiting(snapshot: Snapshot) -> Counter[str]:
    """A stream that waits in a queue is where its items are."""
    waiting: Counter[str] = Counter()
    for stream in snapshot.streams:
        in_queue = "sse" if stream.queued.get("sse") else "policy_out"
        waiting[_PLACE.get(stream.waiting_for, in_queue)] += 1
    return waiting


def _figure(scene: Scene, station: str, width: int) -> Text:
    rates = scene.rates
    match station:
        case "policy_out" | "sse":
            return _depth(scene.snapshot.queues[station], width)
        case "upstream":
            said = f"{rates.chunks:.0f} ch/s"
        case "policies":
            said = scene.policies
        case "formatter":
            said = f"{rates.requests:.0f} req/s"
        case _:
            said = f"{rates.received / 1000:.0f} kB/s"
    return Text(said[:width].ljust(width))


def _depth(queue: QueueView, width: int) -> Text:
    """How full the fullest stream's queue is."""
    figure = f" {queue.fullest}/{queue.capacity}" if queue.capacity else " -"
    room = max(1, width - len(figure))
    share = queue.fullest / queue.capacity if queue.capacity else 0.0
    full = min(room, round(share * room)) or (1 if queue.fullest else 0)
    colour = "red" if share >= 0.8 else "yellow" if share >= 0.5 else "green"
    return Text.assemble(("█" * full, colour), ("░" * (room - full), "dim"), figure)


def _dots(streams: int, width: int, colour: str) -> Text:
    room = width - 1
    dots = "●" * streams if streams <= room else "●" * (room - 4) + f" {streams}"
    return Text(dots[:room].ljust(width), colour)


def _arrow(width: int, turn: int | None) -> Text:
    """With a bright spot that moves to the right while chunks flow."""
    shaft = width - 2
    arrow = Text("─" * (shaft - 1) + "▶ ", "dim")
    arrow.pad_left(1)
    if turn is not None:
        spot = 1 + turn % shaft
        arrow.stylize("not dim bold", spot, spot + 1)
    return arrow

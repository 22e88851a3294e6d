"""The gateway's log lines, caught instead of printed: the moments worth showing, and the faults worth reporting."""

import io
import json
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from telemetry.names import ACCESS_LOGGER, EVENT_LOGGER, OTHER
from telemetry.names.spans import Attribute, Event

Tone = Literal["good", "warning", "bad", "plain"]
_KEPT = 100
_SOON = 6
_BREAKER_TONES: dict[str, Tone] = {"closed": "good", "half_open": "warning", "open": "bad"}
_ENDS: dict[str, tuple[Tone, str]] = {
    "overflow": ("bad", "{model}: its client did not read, the stream overflowed"),
    "overloaded": ("warning", "{model}: turned away, the gateway has enough in hand"),
    "client_disconnect": ("warning", "{model}: the client left, the upstream was closed"),
    "upstream_error": ("bad", "{model}: the provider failed ({error_type})"),
    "breaker_open": ("warning", "{model}: turned away, its breaker is open"),
    "client_error": ("plain", "{model}: refused with {status} ({error_type})"),
    "timeout": ("bad", "{model}: timed out ({error_type})"),
    "internal_error": ("bad", "{model}: the gateway failed ({detail})"),
    "policy_blocked": ("warning", "{model}: blocked by a policy"),
    "drained": ("warning", "{model}: ended by the shutdown"),
}


@dataclass(frozen=True)
class Moment:
    """`at` is the local time of day."""

    at: str
    tone: Tone
    text: str
    times: int = 1


class LogTail(io.StringIO):
    """What the log writer's thread writes to. Keeps the newest moments, and the gateway's errors."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: tuple[Moment, ...] = ()
        self.faults: deque[str] = deque(maxlen=_KEPT)

    def write(self, text: str, /) -> int:
        for line in text.splitlines():
            self._take(line)
        return len(text)

    def _take(self, text: str) -> None:
        try:
            line = json.loads(text)
        except ValueError:
            self.faults.append(text)
            return
        if line.get("level") in ("error", "critical"):
            self.faults.append(text)
        moment = moment_of(line)
        if moment is not None:
            self.moments = with_moment(self.moments, moment)


def with_moment(moments: tuple[Moment, ...], new: Moment) -> tuple[Moment, ...]:
    """Add a moment. One that happened shortly before moves to the end and counts, so that repetition hides nothing."""
    again = next((old for old in moments[-_SOON:] if old.text == new.text), None)
    times = again.times + 1 if again else 1
    return (*(old for old in moments[-_KEPT:] if old is not again), replace(new, times=times))


def moment_of(line: dict[str, Any]) -> Moment | None:
    """The moment that a structured log line reports; None if it is not worth showing."""
    found = _tone_and_text(line)
    if found is None:
        return None
    at = datetime.fromisoformat(line["timestamp"]).astimezone()
    return Moment(at.strftime("%H:%M:%S"), *found)


def _tone_and_text(line: dict[str, Any]) -> tuple[Tone, str] | None:
    if line.get("logger") == ACCESS_LOGGER:
        return _of_end(line)
    if line.get("level") in ("error", "critical"):
        return "bad", str(line.get("message"))
    return _of_event(line) if line.get("logger") == EVENT_LOGGER else None


def _of_end(line: dict[str, Any]) -> tuple[Tone, str] | None:
    found = _ENDS.get(str(line.get("outcome")))
    if found is None:
        return None
    tone, text = found
    model = "a request" if line.get("model") == OTHER else line.get("model")
    return tone, text.format_map({"error_type": "", "detail": "", **line, "model": model})


def _of_event(line: dict[str, Any]) -> tuple[Tone, str] | None:
    match line.get("event"):
        case Event.BREAKER_STATE_CHANGE:
            state = str(line.get(Attribute.TO_STATE))
            change = f"breaker {line.get(Attribute.BREAKER)}: {state}, {line.get(Attribute.REASON)}"
            return _BREAKER_TONES.get(state, "plain"), change.replace("_", " ")
        case Event.POLICY_DECISION:
            side = "a request" if line.get(Attribute.HOOK) == "on_request" else "an answer"
            return "good", f"policy {line.get(Attribute.POLICY)}: {line.get(Attribute.DECISION)} a piece of {side}"
        case Event.QUEUE_HIGH_WATER if line.get(Attribute.QUEUE_PERCENT) == 100:
            return "warning", f"queue {line.get(Attribute.QUEUE_NAME)} of a stream is full: its writer waits"
        case _:
            return None

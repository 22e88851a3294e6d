"""What happened, in the words and tones of a live view. What happens again counts, so that repetition hides nothing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from app.figures import duration
from telemetry.live.moments import (
    AttemptRetried,
    BreakerChanged,
    BudgetPassed,
    CallerKeptOut,
    Ended,
    Moment,
    PolicyDecided,
    QueueFilled,
)
from telemetry.names import OTHER

Tone = Literal["good", "warning", "bad", "plain"]
_SOON = 6
_BREAKER_TONES: dict[str, Tone] = {"closed": "good", "half_open": "warning", "open": "bad"}
_ENDS: dict[str, tuple[Tone, str]] = {
    "overflow": ("bad", "its client did not read, the stream overflowed"),
    "overloaded": ("warning", "turned away, the gateway has enough in hand"),
    "client_disconnect": ("warning", "the client left, the upstream was closed"),
    "upstream_error": ("bad", "the provider failed ({error_type})"),
    "breaker_open": ("warning", "turned away, its breaker is open"),
    "client_error": ("plain", "refused with {status} ({why})"),
    "timeout": ("bad", "timed out ({error_type})"),
    "internal_error": ("bad", "the gateway failed ({detail})"),
    "policy_blocked": ("warning", "blocked by a policy"),
    "rate_limited": ("warning", "beyond a limit of its key ({why})"),
    "drained": ("warning", "ended by the gateway ({error_type})"),
}


class Line(Struct, frozen=True):
    """One moment as a line of a list; `times` it happened, at last at `at`, in Unix seconds."""

    at: float
    tone: Tone
    text: str
    transaction_id: str
    times: int = 1

    @property
    def time_of_day(self) -> str:
        """The local time."""
        return datetime.fromtimestamp(self.at).strftime("%H:%M:%S")


def lines_of(moments: Iterable[Moment]) -> list[Line]:
    """The moments as lines, the newest last. One that happened shortly before moves to the end and counts."""
    lines: list[Line] = []
    for moment in moments:
        new = line_of(moment)
        again = next((old for old in lines[-_SOON:] if old.text == new.text), None)
        if again is not None:
            lines.remove(again)
            new = replace(new, times=again.times + 1)
        lines.append(new)
    return lines


def line_of(moment: Moment) -> Line:
    tone, text = _tone_and_text(moment)
    return Line(moment.at, tone, text, moment.transaction_id)


def _tone_and_text(moment: Moment) -> tuple[Tone, str]:
    match moment:
        case Ended(outcome="ok"):
            return "good", f"{_model(moment)}: {_figures(moment)}"
        case Ended():
            tone, text = _ENDS.get(moment.outcome, ("plain", moment.outcome))
            why = ", ".join(filter(None, (moment.error_type, moment.detail)))
            particulars = {
                "error_type": moment.error_type,
                "status": moment.status,
                "detail": moment.detail,
                "why": why,
            }
            return tone, f"{_model(moment)}: {text.format_map(particulars)}"
        case BreakerChanged():
            change = f"{moment.to_state}, {moment.reason}".replace("_", " ")
            return _BREAKER_TONES.get(moment.to_state, "plain"), f"breaker {moment.breaker}: {change}"
        case CallerKeptOut():
            return "warning", f"breaker {moment.breaker}: one caller is kept out, {moment.reason.replace('_', ' ')}"
        case PolicyDecided():
            side = "a request" if moment.hook == "on_request" else "an answer"
            return "good", f"policy {moment.policy}: {moment.decision} a piece of {side}"
        case AttemptRetried():
            other = "asked again" if moment.retried_at == moment.deployment else f"{moment.retried_at} is asked"
            return "warning", f"{moment.deployment} failed ({moment.error_type}), {other}"
        case QueueFilled():
            return "warning", f"queue {moment.queue} of a stream is full: its writer waits"
        case BudgetPassed():
            spent, per = moment.used_usd / moment.budget_usd, moment.limit.removeprefix("budget_")
            return "warning", f"{moment.scope} {moment.holder} has spent {spent:.0%} of its budget by the {per}"
        case _:
            assert_never(moment)


def _model(end: Ended) -> str:
    if end.model != OTHER:
        return end.model
    return f"a request to {end.api.replace('_', ' ')}" if end.api else "a request"


def _figures(end: Ended) -> str:
    figures = [duration(end.duration_s)]
    if end.ttft_s is not None:
        figures.append(f"first token {duration(end.ttft_s)}")
    if end.input_tokens or end.output_tokens:
        figures.append(f"{end.input_tokens:,} tokens in, {end.output_tokens:,} out")
    if end.cost_usd is not None:
        figures.append(f"${end.cost_usd:.4f}")
    return ", ".join(figures)

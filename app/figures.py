"""Numbers as people read them: durations, sizes, counts, money, times of day. Pure.

Sentences that explain a recording have a duration of their own form (`app.recorder.phrases`), as somebody would say it.
"""

from datetime import datetime

_STEPS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def duration(seconds: float | None) -> str:
    """`840 µs`, `12 ms`, `3.41 s`, `2 min 5 s`; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.{0 if seconds >= 0.01 else 1}f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 event`, `1,234 events`; `many` is for what has another plural."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def size(count: float) -> str:
    """Bytes: `512 B`, `1.5 KiB`."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1023.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"


def number(count: float) -> str:
    """`1,234`; `12.3k` and `4.56M` from ten thousand on."""
    if abs(count) < 10_000:
        return f"{count:,.0f}"
    return f"{count / 1e3:.1f}k" if abs(count) < 999_950 else f"{count / 1e6:.2f}M"


def dollars(amount: float) -> str:
    """An amount that somebody has set, exactly: `5`, `1,000`, `2.50`, `0.001`."""
    whole, _, cents = f"{amount:,.6f}".rstrip("0").partition(".")
    return f"{whole}.{cents.ljust(2, '0')}" if cents else whole


def usd(cost: float | None) -> str:
    """Dollars, with as many digits as say something; a dash where the cost is not known."""
    if cost is None:
        return "–"
    if cost == 0:
        return "$0"
    if cost < 0.0001:
        return "<$0.0001"
    return f"${cost:.4f}" if cost < 0.1 else f"${cost:,.2f}"


def percent(share: float) -> str:
    """`12 %`; what is not nothing is never 0 %."""
    if 0 < share < 0.01:
        return "<1 %"
    return f"{share:.0%}".replace("%", " %")


def clock(at: float) -> str:
    """The time of day, in the gateway's time zone."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def when(at: float, now: float) -> str:
    """The time of day, with the date where that is another one."""
    then = datetime.fromtimestamp(at)
    same_day = then.date() == datetime.fromtimestamp(now).date()
    return then.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M")


def iso(at: float) -> str:
    """A moment with its time zone, for `<time datetime>` and for whoever looks closer."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="milliseconds")


def ago(seconds: float) -> str:
    """`just now`, `12 s ago`, `3 h ago`."""
    if seconds < 1:
        return "just now"
    for length, unit in _STEPS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"

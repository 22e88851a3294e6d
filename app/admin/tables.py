"""What became of an act, as lines for people. Texts of others are made inert: they come to a terminal. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.figures import counted, dollars
from app.live_view.inert import inert

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], object]]
_GAP = "  "
_LONGEST = 60
"""Characters of one cell."""


def status(outcome: Row) -> Iterator[str]:
    columns: Columns = {
        "process": lambda row: row["pid"],
        "state": lambda row: "leaving" if row["leaving"] else "serving",
        "up": lambda row: duration(row["uptime_seconds"]),
        "configuration": lambda row: f"generation {row['generation']}",
        "models": lambda row: row["models"],
        "deployments": lambda row: row["deployments"],
        "keys": lambda row: row["keys"],
        "in flight": lambda row: row["in_flight"],
        "log level": lambda row: row["log_level"],
    }
    yield inert(f"flowspan {outcome['version']}")
    yield from table(columns, outcome["processes"])


def keys(outcome: Row) -> Iterator[str]:
    columns: Columns = {
        "id": lambda row: row["id"],
        "key": lambda row: row["name"] or "-",
        "team": lambda row: row["team"] or "-",
        "state": _key_state,
        "expires": lambda row: row["expires"] or "-",
        "models": lambda row: " ".join(row["models"]) or "all",
        "limits": _limits,
        "requests": lambda row: row["requests"],
        "tokens": lambda row: row["tokens"],
        "USD": lambda row: f"{row['cost_usd']:.4f}",
    }
    yield from table(columns, outcome["keys"])
    yield "Requests, tokens and dollars are those of all keys of a name since the start."


def breakers(outcome: Row) -> Iterator[str]:
    columns: Columns = {
        "breaker": lambda row: row["breaker"],
        "state": lambda row: row["state"].replace("_", " "),
        "reason": lambda row: (row["reason"] or "-").replace("_", " "),
        "left": _left,
        "callers kept out": lambda row: row["callers_kept_out"] or "-",
    }
    yield from table(columns, outcome.get("breakers", [outcome]))


def deployments(outcome: Row) -> Iterator[str]:
    columns: Columns = {
        "deployment": lambda row: row["deployment"],
        "model": lambda row: row["model"],
        "asks": lambda row: row["provider_model"],
        "order": lambda row: row["order"],
        "weight": _weight,
        "breaker": lambda row: row["breaker"].replace("_", " "),
        "in flight": lambda row: row["in_flight"],
        "": lambda row: "drained" if row["drained"] else "",
    }
    yield from table(columns, outcome.get("deployments", [outcome]))


def requests(outcome: Row) -> Iterator[str]:
    columns: Columns = {
        "request": lambda row: row["transaction_id"],
        "age": lambda row: duration(row["seconds"]),
        "key": lambda row: row["key"],
        "model": lambda row: row["model"],
        "deployment": lambda row: row["deployment"] or "-",
        "waits for": lambda row: row["waiting_for"],
        "sent": lambda row: row["bytes_sent"],
        "queued": lambda row: row["bytes_queued"],
        "conversation": lambda row: row["conversation"] or "-",
    }
    yield from table(columns, outcome["requests"])
    if (rest := outcome["total"] - len(outcome["requests"])) > 0:
        yield f"and {rest} more"


def usage(outcome: Row) -> Iterator[str]:
    yield inert(
        f"{outcome['key']}: {counted(outcome['requests'], 'request')}, {counted(outcome['tokens'], 'token')}, "
        f"{outcome['cost_usd']:.4f} USD since the start"
    )
    limits: Sequence[Row] = outcome["limits"]
    if limits:
        names = dict.fromkeys(name for row in limits for name in row)
        yield from table({name: _field(name) for name in names}, limits)


def revoked(outcome: Row) -> Iterator[str]:
    for key in outcome["keys"]:
        yield inert(f"{key['id']} {key['name'] or ''} {'revoked' if key['revoked'] else 'good'}")


def cancelled(outcome: Row) -> Iterator[str]:
    yield f"{outcome['cancelled']} cancelled"


def level(outcome: Row) -> Iterator[str]:
    left = outcome["seconds_left"]
    yield outcome["level"] + ("" if left is None else f", and {outcome['then']} again in {duration(left)}")


def reloaded(outcome: Row) -> Iterator[str]:
    yield f"generation {outcome['generation']} of the configuration is in use"
    yield from _reload_lines(outcome)


def _reload_lines(outcome: Row) -> Iterator[str]:
    for kind, lines in (
        ("", outcome["changed"]),
        ("needs a restart: ", outcome["needs_restart"]),
        ("warning: ", outcome["warnings"]),
    ):
        for line in lines:
            yield inert(f"  {kind}{line}")


def changes(outcome: Row) -> Iterator[str]:
    """What a reload would change."""
    if not would_change(outcome):
        yield f"nothing would change: generation {outcome['generation']} of the configuration is in use"
    else:
        yield f"a reload would change this, after generation {outcome['generation']} of the configuration"
    yield from _reload_lines(outcome)


def would_change(outcome: Row) -> bool:
    """Whether a reload, or a restart, would change something."""
    return bool(outcome["changed"] or outcome["needs_restart"])


def replaced(outcome: Row) -> Iterator[str]:
    yield f"{counted(outcome['replaced'], 'worker')} replaced, which serve generation {outcome['generation']}"


def audit(outcome: Row) -> Iterator[str]:
    columns: Columns = {
        "time": lambda row: row["time"],
        "who": lambda row: " ".join(filter(None, (row["actor"], row["address"]))),
        "act": lambda row: row["act"],
        "arguments": lambda row: " ".join(f"{name}={value}" for name, value in row.get("arguments", {}).items()),
        "result": lambda row: row["result"],
        "": lambda row: row.get("detail", ""),
    }
    yield from table(columns, outcome["entries"])


def table(columns: Columns, rows: Sequence[Row]) -> Iterator[str]:
    """A line of headings and one for each row; a line that says so where there is none."""
    if not rows:
        yield "none"
        return
    cells = [list(columns), *([_cell(of(row)) for of in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def duration(seconds: float) -> str:
    """The largest two units of a duration."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _cell(value: object) -> str:
    text = inert(str(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _field(name: str) -> Callable[[Row], object]:
    return lambda row: "-" if row.get(name) is None else row[name]


def _key_state(row: Row) -> str:
    if row["revoked"]:
        return "revoked"
    return "expired" if row["expired"] else "good"


def _limits(row: Row) -> str:
    limits = [f"{limit} {name.replace('_', ' ')}" for name, limit in row["limits"].items()]
    budgets = [f"{dollars(budget['usd'])} USD a {budget['per']}" for budget in row["budgets"]]
    return ", ".join((*limits, *budgets)) or "-"


def _left(row: Row) -> str:
    if row["seconds_left"] is not None:
        return duration(row["seconds_left"])
    return "until released" if row["forced"] else "-"


def _weight(row: Row) -> str:
    weight, configured = row["weight"], row["configured_weight"]
    return f"{weight:g}" if weight == configured else f"{weight:g} (configured {configured:g})"


_ALL = (
    status,
    keys,
    revoked,
    usage,
    breakers,
    deployments,
    requests,
    cancelled,
    level,
    reloaded,
    changes,
    replaced,
    audit,
)
TABLES: Mapping[str, Callable[[Row], Iterator[str]]] = {one.__name__: one for one in _ALL}
"""Each by the name of what it shows."""

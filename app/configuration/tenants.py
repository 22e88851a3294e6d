"""What keys and teams may do: `gateway.teams`, `gateway.key_defaults`, and the options of an entry of `gateway.keys`.

Each option of a key that its entry does not give is that of `key_defaults`, each limit by itself; the word `unlimited`
lifts a limit, or the budget, that the defaults have. The defaults hold for every key that callers may present: for
texts in `gateway.keys`, `general_settings.master_key` and FLOWSPAN_KEY, too.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from msgspec import Struct, field
from msgspec.structs import fields

from app.configuration.problems import Report
from app.conversion import Path, convert_struct, convert_value, kind_of
from app.settings import Budget, Entitlement, Limits, Priority, Team

UNLIMITED = "unlimited"
OPTIONS = ("models", "limits", "budget", "policies", "priority")
TEAMS: Path = ("gateway", "teams")
DEFAULTS: Path = ("gateway", "key_defaults")
_LIMITS = {field.name: field.type for field in fields(Limits)}


class KeyDefaults(Struct, frozen=True):
    """What holds for every key, `general_settings.master_key` and FLOWSPAN_KEY included, that does not say it itself;
    each of the limits by itself. `unlimited`, as a limit or as the budget of a key, lifts what stands here."""

    models: list[str] = []
    """The models that a key may ask for, by the names that clients use; `*` stands for any text. All, unless it is
    set."""
    limits: Limits = field(default_factory=Limits)
    """What it may ask for."""
    budget: Budget | list[Budget] = []
    """What it may spend: a mapping, or a list of several."""
    policies: list[str] = []
    """Names of policies with `applies: named` that are applied to its requests."""
    priority: Priority = 0
    """Who goes first where requests wait for a deployment: the greater."""


class TeamEntry(Struct, frozen=True):
    """What all keys of a team share, beside what each of them may do by itself. A team without an entry has no limits
    of its own."""

    models: list[str] = []
    """The models that its keys may ask for, of those that they themselves may; `*` stands for any text. All, unless it
    is set."""
    limits: Limits = field(default_factory=Limits)
    """What all of them may ask for together; `request_tokens` and `request_bytes` are those of each request."""
    budget: Budget | list[Budget] = []
    """What all of them may spend together: a mapping, or a list of several."""


class Grants(Struct, frozen=True):
    """What a section says of the options; None for what it does not."""

    models: tuple[str, ...] | None = None
    limits: dict[str, Any] = {}
    """By their names; a limit that is lifted is None."""
    budgets: tuple[Budget, ...] | None = None
    policies: tuple[str, ...] | None = None
    priority: int | None = None

    def over(self, defaults: "Grants") -> Entitlement:
        """What a key may do that says this, and for all else has the defaults."""
        return Entitlement(
            models=_first(self.models, defaults.models, ()),
            limits=Limits(**{**defaults.limits, **self.limits}),
            budgets=_first(self.budgets, defaults.budgets, ()),
            policies=_first(self.policies, defaults.policies, ()),
            priority=_first(self.priority, defaults.priority, 0),
        )


class Tenants(Struct, frozen=True):
    """The two sections that stand beside the keys."""

    teams: dict[str, Team]
    defaults: Grants


def read_tenants(teams: Mapping[str, Any], defaults: Mapping[str, Any], report: Report) -> Tenants:
    """Read `gateway.teams` and `gateway.key_defaults`; names of teams are checked with those of keys."""
    found = {}
    for name, section in teams.items():
        path = (*TEAMS, name)
        if not isinstance(section, dict):
            report.problem(path, f"expected a mapping, not {kind_of(section)}")
            continue
        report_unknown(TeamEntry, section, path, report)
        grants = read_grants(section, path, report)
        found[name] = Team(Limits(**grants.limits), grants.budgets or (), grants.models or ())
    report_unknown(KeyDefaults, defaults, DEFAULTS, report)
    return Tenants(found, read_grants(defaults, DEFAULTS, report))


def report_unknown(kind: type[Struct], section: Mapping[str, Any], path: Path, report: Report) -> None:
    """Report the options of a section that its kind does not have."""
    here = {name for name in OPTIONS if name in kind.__struct_fields__}
    _, faults = convert_struct(kind, {name: value for name, value in section.items() if name not in here}, path)
    report.faults(faults)


def read_grants(section: Mapping[str, Any], path: Path, report: Report) -> Grants:
    """Read the options of a section whose references are resolved. One that is null is as if it were not there."""
    given = {name: section[name] for name in OPTIONS if section.get(name) is not None}
    return Grants(
        models=_models(given["models"], (*path, "models"), report) if "models" in given else None,
        limits=_limits(given.get("limits", {}), (*path, "limits"), report),
        budgets=_budgets(given["budget"], (*path, "budget"), report) if "budget" in given else None,
        policies=_texts(given["policies"], (*path, "policies"), report) if "policies" in given else None,
        priority=_priority(given["priority"], (*path, "priority"), report) if "priority" in given else None,
    )


def _models(written: Any, path: Path, report: Report) -> tuple[str, ...]:
    patterns = _texts(written, path, report)
    if written == []:
        report.problem(path, "names no model, so that nothing could be asked for; '*' stands for all")
    for index, pattern in enumerate(patterns):
        if not pattern:
            report.problem((*path, index), "is empty")
    return patterns


def _texts(written: Any, path: Path, report: Report) -> tuple[str, ...]:
    texts, faults = convert_value(list[str], written, path)
    report.faults(faults)
    return tuple(texts or ())


def _priority(written: Any, path: Path, report: Report) -> int:
    priority, faults = convert_value(Priority, written, path)
    report.faults(faults)
    return priority or 0


def _limits(written: Any, path: Path, report: Report) -> dict[str, Any]:
    if not isinstance(written, dict):
        report.problem(path, f"expected a mapping, not {kind_of(written)}")
        return {}
    _, faults = convert_struct(Limits, {name: value for name, value in written.items() if name not in _LIMITS}, path)
    report.faults(faults)
    found: dict[str, Any] = {}
    for name, value in written.items():
        if name not in _LIMITS or value is None:
            continue
        if value == UNLIMITED:
            found[name] = None
            continue
        limit, faults = convert_value(_LIMITS[name], value, (*path, name))
        report.faults(faults)
        if not faults:
            found[name] = limit
    return found


def _budgets(written: Any, path: Path, report: Report) -> tuple[Budget, ...]:
    """One budget, or several; those of one time differ in what happens beyond them."""
    if written == UNLIMITED:
        return ()
    if written == []:
        report.problem(path, f"has no budget; `budget: {UNLIMITED}` lifts that of the defaults")
    found: dict[tuple[str, str], Budget] = {}
    for at, one in _each(written, path):
        budget, faults = convert_struct(Budget, _with_list(one), at)
        report.faults(faults)
        if budget is None:
            continue
        if not isfinite(budget.usd):
            report.problem((*at, "usd"), "expected a finite number of US dollars")
        if not all(budget.warn_at):
            report.problem((*at, "warn_at"), "a share of nothing is always passed")
        if found.setdefault((budget.per, budget.mode), budget) is not budget:
            report.problem(at, f"another {budget.mode} budget is for the same time")
    return tuple(found.values())


def _each(written: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(written, list):
        yield from (((*path, index), one) for index, one in enumerate(written))
    else:
        yield path, written


def _with_list(written: Any) -> Any:
    """A budget with a list of shares, where it has one number."""
    if isinstance(written, dict) and isinstance(share := written.get("warn_at"), int | float):
        return {**written, "warn_at": [share]}
    return written


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)

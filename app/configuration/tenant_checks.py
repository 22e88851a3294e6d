"""What keys and teams are promised, against what there is: models, policies, prices and a store for what is spent.

What cannot be enforced as it stands is a problem; what changes nothing, or less than it seems to, a warning.
"""

from collections.abc import Iterable, Iterator, Sequence

from app.backends.model_names import ModelNames, ModelPatterns, is_wildcard
from app.configuration.api_keys import KEY_PATHS, KeysRead, KeyWithPath
from app.configuration.problems import Report
from app.configuration.sections import Sections
from app.configuration.tenants import DEFAULTS, TEAMS
from app.conversion import Path, did_you_mean
from app.policies import LoadedPolicy
from app.settings import Budget, Deployment, Limits, PolicySpec, Settings

_POLICIES: Path = ("gateway", "policies")
_LONG = frozenset({"day", "month"})
"""Budgets that a restart should not begin anew."""
_NAMED = 5
"""Models that a message names."""


def check_tenants(
    read: KeysRead,
    settings: Settings,
    policies: Sequence[tuple[PolicySpec, LoadedPolicy | None]],
    sections: Sections,
    report: Report,
) -> None:
    """Report what of keys and teams cannot hold, or changes nothing. `policies` are those of the file, each with the
    policy that was made of it."""
    _check_holders(read, sections, report)
    names = ModelNames((one.model_name for one in settings.deployments), settings.router.aliases)
    for path, pattern in _patterns(read):
        if not _means_any(pattern, names, settings.router.behind_wildcards):
            report.warning(path, f"no model has a name like this{did_you_mean(pattern, names.listed())}")
    _check_policies(read, policies, report)
    for one in read.found:
        _check_against_team(one, read, report)
        _check_body_limit(one.key.entitlement.limits, _path_of_limit(one, "request_bytes"), settings, report)
    for name, team in read.teams.items():
        _check_body_limit(team.limits, (*TEAMS, name, "limits", "request_bytes"), settings, report)
    _check_budgets(read, settings, report)


def _check_holders(read: KeysRead, sections: Sections, report: Report) -> None:
    """Report limits that nobody has: of teams without keys, and of keys where there are none."""
    teams = {one.key.team for one in read.found}
    for name in read.teams:
        if name not in teams:
            report.warning((*TEAMS, name), f"no key has this team{did_you_mean(name, filter(None, teams))}")
    if sections.gateway.key_defaults and not read.found and not any(map(report.lacks, KEY_PATHS)):
        report.problem(
            DEFAULTS, "holds for keys, and there are none: everybody on this machine may ask without a limit"
        )


def _patterns(read: KeysRead) -> Iterator[tuple[Path, str]]:
    found: dict[Path, str] = {}
    for one in read.found:
        at = _path_of(one, "models")
        found.update({(*at, index): pattern for index, pattern in enumerate(one.key.entitlement.models)})
    for name, team in read.teams.items():
        found.update({(*TEAMS, name, "models", index): pattern for index, pattern in enumerate(team.models)})
    return iter(found.items())


def _means_any(pattern: str, names: ModelNames, behind_wildcards: Iterable[str]) -> bool:
    if not is_wildcard(pattern):
        return names.find(pattern) is not None
    patterns = ModelPatterns([pattern])
    if any(patterns.match([name]) for name in (*names.every, *behind_wildcards)):
        return True
    # Something that the pattern means may stand behind a wildcard.
    return names.find(pattern.replace("*", "x")) is not None


def _path_of(one: KeyWithPath, option: str) -> Path:
    """Where it stands what a key has of an option: in its own entry, or in the defaults."""
    granted = one.granted
    given = {
        "models": granted.models is not None,
        "budget": granted.budgets is not None,
        "policies": granted.policies is not None,
    }
    return (*(one.path if given[option] else DEFAULTS), option)


def _path_of_limit(one: KeyWithPath, name: str) -> Path:
    return (*(one.path if name in one.granted.limits else DEFAULTS), "limits", name)


def _check_policies(read: KeysRead, policies: Sequence[tuple[PolicySpec, LoadedPolicy | None]], report: Report) -> None:
    loaded = [policy for _, policy in policies if policy is not None]
    known = {policy.name: policy.is_for_all for policy in loaded}
    is_complete = len(loaded) == len(policies)
    asked: set[str] = set()
    for one in read.found:
        path = _path_of(one, "policies")
        for index, name in enumerate(one.key.entitlement.policies):
            asked.add(name)
            if name not in known and is_complete:
                hint = did_you_mean(name, known) or "; gateway.policies has its name, or that of its class"
                report.problem((*path, index), f"no policy has this name{hint}")
            elif known.get(name):
                report.warning((*path, index), "is applied to all requests anyway: it has no applies: named")
    for index, (_, policy) in enumerate(policies):
        if policy is None or policy.is_for_all:
            continue
        if sum(other.name == policy.name for other in loaded) > 1:
            report.problem((*_POLICIES, index), f"another policy is named {policy.name}: give one of them a name")
        elif policy.name not in asked:
            report.warning((*_POLICIES, index), "is applied to nobody: no key names it")


def _check_against_team(one: KeyWithPath, read: KeysRead, report: Report) -> None:
    """Warn of limits of a key that are never reached, as another one is reached before."""
    limits, team = one.key.entitlement.limits, read.teams.get(one.key.team or "")
    for name in Limits.__struct_fields__:
        most = getattr(limits, name)
        shared = None if team is None else getattr(team.limits, name)
        if most is not None and shared is not None and most > shared:
            report.warning(_path_of_limit(one, name), f"is never reached: the team {one.key.team} has {shared:,}")
    per_minute = limits.tokens_per_minute
    if limits.request_tokens and per_minute and limits.request_tokens > per_minute:
        message = f"is never reached: tokens_per_minute is {per_minute:,}"
        report.warning(_path_of_limit(one, "request_tokens"), message)


def _check_body_limit(limits: Limits, path: Path, settings: Settings, report: Report) -> None:
    most = settings.server.body_limit
    if limits.request_bytes is not None and limits.request_bytes > most:
        report.warning(path, f"is never reached: gateway.server.body_limit is {most:,} bytes")


def _check_budgets(read: KeysRead, settings: Settings, report: Report) -> None:
    """Report budgets that cannot be kept, for want of prices or of a store."""
    checked: set[tuple[Path, tuple[str, ...]]] = set()
    for one in read.found:
        may, team = one.key.entitlement, read.teams.get(one.key.team or "")
        allowed = tuple(patterns for patterns in (may.models, () if team is None else team.models) if patterns)
        for path, budgets in (
            (_path_of(one, "budget"), may.budgets),
            ((*TEAMS, one.key.team or "", "budget"), () if team is None else team.budgets),
        ):
            if not budgets or (path, may.models) in checked:
                continue
            checked.add((path, may.models))
            _check_prices(path, [ModelPatterns(patterns) for patterns in allowed], settings, report)
            _check_store(path, budgets, settings, report)


def _check_prices(path: Path, allowed: Sequence[ModelPatterns], settings: Settings, report: Report) -> None:
    if settings.quotas.unpriced == "allow":
        return
    pools: dict[str, list[Deployment]] = {}
    for one in settings.deployments:
        if not is_wildcard(one.model_name) and all(patterns.match([one.model_name]) for patterns in allowed):
            pools.setdefault(one.model_name, []).append(one)
    unpriced = [name for name, pool in pools.items() if any(one.cost is None for one in pool)]
    if not unpriced:
        return
    rest = len(unpriced) - _NAMED
    models = ", ".join(unpriced[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
    ways = "give input_cost_per_token and output_cost_per_token, or set gateway.quotas.unpriced: allow"
    if len(unpriced) == len(pools) and not any(is_wildcard(one.model_name) for one in settings.deployments):
        report.problem(path, f"cannot be kept: no price is known of {models}; {ways}")
    else:
        report.warning(path, f"requests for {models} are refused under it, as no price is known; {ways}")


def _check_store(path: Path, budgets: Iterable[Budget], settings: Settings, report: Report) -> None:
    if settings.quotas.store == "memory" and any(budget.per in _LONG for budget in budgets):
        message = "a restart forgets what is spent: set gateway.quotas.store, to sqlite:///FILE or redis://HOST"
        report.warning(path, message)

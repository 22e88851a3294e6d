"""What differs between two configurations, in words: never a secret, of which it is said only that it is another one.

What a process has decided at its start and cannot change later (where it listens, what its store is) is marked, and
`in_force` keeps it as it was: everything else of a new configuration counts at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import fields, replace

from app.configuration.loading import Configuration
from app.policies import BUILTIN
from app.settings import Deployment, Key, PolicySpec, Settings, TlsSettings
from telemetry.names import UNNAMED_KEY

Subject = Literal["deployment", "key", "team", "policy", "setting", "variable"]
_RESTART: Mapping[str, frozenset[str]] = {
    "server": frozenset({"host", "port", "reuse_port", "uds", "uds_mode", "workers", "metrics_host", "metrics_port"}),
    "recorder": frozenset({"store", "memory", "max_age", "max_size", "backlog", "flight"}),
    "console": frozenset({"enabled", "host", "port", "token"}),
    "telemetry": frozenset({"semconv", "created_timestamps"}),
    "quotas": frozenset({"store"}),
    "admin": frozenset({"host", "port", "socket", "key", "audit_log"}),
}
"""The fields of each section that a process goes by from its start to its end."""
_SECRET = frozenset({"metrics_token", "token", "key", "key_password", "store"})
"""Fields of sections whose values are not for everybody; a store's has a password."""
_TELEMETRY_VARIABLES = "OTEL_"
"""Variables whose names begin so are read at the start."""
_ROUTER_NAMES = {
    "request_timeout": "router_settings.timeout",
    "num_retries": "router_settings.num_retries",
    "fallbacks": "router_settings.fallbacks",
    "aliases": "router_settings.model_group_alias",
    "context_window_fallbacks": "router_settings.context_window_fallbacks",
    "content_policy_fallbacks": "router_settings.content_policy_fallbacks",
}
"""Settings of the router by LiteLLM's names; all others stand in `gateway.router`."""
_FOUND_OUT = frozenset({"id", "info", "cost_source"})
"""Fields of a deployment that say nothing by themselves."""
_OF_ENTRIES = frozenset({"deployments", "keys", "key_variable", "policies", "teams"})


class Change(Struct, frozen=True):
    """One thing that is not as it was. `details` are its fields, with their values where anybody may read them."""

    subject: Subject
    name: str
    kind: Literal["added", "removed", "changed"] = "changed"
    details: tuple[str, ...] = ()
    needs_restart: bool = False

    def __str__(self) -> str:
        what = self.name if self.subject == "setting" else f"{self.subject} {self.name}"
        text = f"{what} {self.kind}" if self.kind != "changed" or not self.details else what
        return f"{text}: {', '.join(self.details)}" if self.details else text


def changes(before: Configuration, after: Configuration) -> tuple[Change, ...]:
    """All that differs, in the order of a file."""
    old, new = before.settings, after.settings
    return (
        *_deployments(old.deployments, new.deployments),
        *_keys(old.keys, new.keys),
        *_teams(old, new),
        *_policies(old.policies, new.policies),
        *_sections(old, new),
        *_variables(before.environment, after.environment),
    )


def in_force(before: Settings, after: Settings) -> Settings:
    """The settings of `after` but for those that a process goes by from its start on, which are those of `before`."""
    kept: dict[str, Any] = {}
    for name, only_at_start in _RESTART.items():
        old, new = getattr(before, name), getattr(after, name)
        kept[name] = replace(new, **{field: getattr(old, field) for field in only_at_start})
    if before.server.tls.is_on != after.server.tls.is_on:
        kept["server"] = replace(kept["server"], tls=before.server.tls)
    return replace(after, **kept)


def _deployments(before: Sequence[Deployment], after: Sequence[Deployment]) -> Iterator[Change]:
    old, new = {one.id: one for one in before}, {one.id: one for one in after}
    for name in (*old, *(name for name in new if name not in old)):
        if name not in new:
            yield Change("deployment", name, "removed")
        elif name not in old:
            yield Change("deployment", name, "added", (f"model_name {new[name].model_name}", new[name].model))
        elif old[name] != new[name]:
            yield Change("deployment", name, details=tuple(_of_deployment(old[name], new[name])))


def _of_deployment(before: Deployment, after: Deployment) -> Iterator[str]:
    for field in _different(before, after):
        if field == "params":
            # Whatever they are, a value may be a secret.
            names = [name for name in (*before.params, *after.params) if _of(before, name) != _of(after, name)]
            yield from (f"{name}" for name in dict.fromkeys(names))
        elif field not in _FOUND_OUT:
            yield _described(field, getattr(before, field), getattr(after, field))


def _of(deployment: Deployment, name: str) -> object:
    return deployment.params.get(name)


def _keys(before: Sequence[Key], after: Sequence[Key]) -> Iterator[Change]:
    old, new = _by_name(before), _by_name(after)
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Change("key", name, "removed")
        elif name not in old:
            yield Change("key", name, "added")
        elif details := tuple(_of_key(old[name], new[name])):
            yield Change("key", name, details=details)


def _of_key(before: Sequence[Key], after: Sequence[Key]) -> Iterator[str]:
    old, new = {one.digest for one in before}, {one.digest for one in after}
    if old != new:
        yield f"{len(new - old)} new and {len(old - new)} gone of its keys"
    ends = {one.digest: one.expires for one in before}
    if any(one.digest in ends and one.expires != ends[one.digest] for one in after):
        yield "expires"
    first, last = before[0], after[0]
    yield from (name for name in ("team", "labels") if getattr(first, name) != getattr(last, name))
    yield from _different(first.entitlement, last.entitlement)


def _by_name(keys: Sequence[Key]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key.name or UNNAMED_KEY, []).append(key)
    return found


def _teams(before: Settings, after: Settings) -> Iterator[Change]:
    for name in dict.fromkeys((*before.teams, *after.teams)):
        old, new = before.teams.get(name), after.teams.get(name)
        if old is None or new is None:
            yield Change("team", name, "added" if old is None else "removed")
        elif old != new:
            yield Change("team", name, details=tuple(_different(old, new)))


def _policies(before: Sequence[PolicySpec], after: Sequence[PolicySpec]) -> Iterator[Change]:
    old, new = _numbered(before), _numbered(after)
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Change("policy", name, "removed")
        elif name not in old:
            yield Change("policy", name, "added")
        elif old[name] != new[name]:
            yield Change("policy", name, details=tuple(_different(old[name], new[name])))
    if list(filter(new.__contains__, old)) != list(filter(old.__contains__, new)):
        yield Change("setting", "gateway.policies", details=("their order",))


def _numbered(specs: Sequence[PolicySpec]) -> dict[str, PolicySpec]:
    """The entries by their names; of several that are called the same the second has a number."""
    found: dict[str, PolicySpec] = {}
    for spec in specs:
        name = number = spec.name or (spec.use if spec.use in BUILTIN else spec.use.rpartition("/")[2])
        count = 1
        while number in found:
            count += 1
            number = f"{name} ({count})"
        found[number] = spec
    return found


def _sections(before: Settings, after: Settings) -> Iterator[Change]:
    for section in _different(before, after):
        if section not in _OF_ENTRIES:
            old, new = getattr(before, section), getattr(after, section)
            if isinstance(old, Struct) and isinstance(new, Struct):
                yield from _of_section(f"gateway.{section}", old, new, _RESTART.get(section, frozenset()))
            else:
                yield Change("setting", f"gateway.{section}")


def _of_section(path: str, before: Struct, after: Struct, only_at_start: frozenset[str]) -> Iterator[Change]:
    for field in _different(before, after):
        old, new = getattr(before, field), getattr(after, field)
        name = f"{path}.{field}"
        if path == "gateway.router":
            name = _ROUTER_NAMES.get(field, name)
        if isinstance(old, Struct) and isinstance(new, Struct):
            yield from _of_section(name, old, new, _inner_restarts(old, new))
            continue
        values = () if field in _SECRET or not (_is_plain(old) and _is_plain(new)) else (_described("", old, new),)
        yield Change("setting", name, details=values, needs_restart=field in only_at_start)


def _inner_restarts(before: Struct, after: Struct) -> frozenset[str]:
    """The fields of a section within another one that a process goes by to its end: all of TLS, where it comes or
    goes."""
    match before, after:
        case TlsSettings(), TlsSettings() if before.is_on != after.is_on:
            return frozenset(field.name for field in fields(before))
    return frozenset()


def _variables(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            kind: Literal["added", "removed", "changed"] = (
                "added" if name not in before else "removed" if name not in after else "changed"
            )
            yield Change("variable", name, kind, needs_restart=name.startswith(_TELEMETRY_VARIABLES))


def _different(before: Struct, after: Struct) -> list[str]:
    """The names of the fields whose values differ."""
    names = (field.name for field in fields(before))
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _described(field: str, before: object, after: object) -> str:
    if not (_is_plain(before) and _is_plain(after)):
        return field
    return f"{field} {_word(before)} -> {_word(after)}".lstrip()


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _word(value: object) -> str:
    return "unset" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"

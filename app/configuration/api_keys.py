"""The keys of callers: `general_settings.master_key` and `gateway.keys`, or the variable FLOWSPAN_KEY.

An entry of `gateway.keys` is the key as text, or a mapping that gives it a name. What is wrong with one is reported
with its line; no message shows a key.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from app.configuration.environment import REFERENCE, Environment, is_foreign_reference
from app.configuration.problems import Report, dotted
from app.configuration.sections import Sections
from app.configuration.tenants import OPTIONS, TEAMS, Grants, Tenants, read_grants, read_tenants
from app.conversion import Path, convert_struct, convert_value, kind_of
from app.settings import Budget, Key, Limits, Priority, Team, digest_of
from telemetry.names import MASTER_KEY, RESERVED_KEY_NAMES

KEY_VARIABLE = "FLOWSPAN_KEY"
_MASTER: Path = ("general_settings", "master_key")
_KEYS: Path = ("gateway", "keys")
KEY_PATHS: tuple[Path, ...] = (_MASTER, _KEYS)
"""Where a configuration may have keys of callers."""
_LAST_SECOND = time(23, 59, 59)
"""The end of a day, without fractions of a second: messages and metrics show it."""
_SOON = timedelta(days=7)
"""How long before its end a key is warned of."""
_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
_NAME_EXPECTED = "expected 1 to 64 of the characters A-Z a-z 0-9 _ . : @ -"
_HASH = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_MOST_LABELS, _LONGEST_LABEL = 16, 256
_SOURCES = ("key", "key_hash", "key_file")


class KeyEntry(Struct, frozen=True):
    """One entry of `gateway.keys` with a name. It has exactly one of `key`, `key_hash` and `key_file`. Two entries of
    one name are one caller's, so that a key can be exchanged for another; team, labels and what it may do are the same
    in both. What an entry does not say of `models`, `limits`, `budget`, `policies` and `priority` is as in
    `gateway.key_defaults`."""

    name: str
    """The caller's name in telemetry: 1 to 64 letters, digits or `_ . : @ -`."""
    key: str | None = None
    """The key itself; `os.environ/NAME` for one in a variable."""
    key_hash: str | None = None
    """`sha256:` and the hexadecimal SHA-256 of the key, so that the file does not reveal it."""
    key_file: str | None = None
    """The file that holds the key, from the configuration's folder; it is read with the configuration."""
    team: str | None = None
    """The caller's team in telemetry, in the same characters as the name."""
    labels: dict[str, Any] = {}
    """What else is known of the caller, for spans and log lines: at most 16 texts of at most 256 characters."""
    expires: str | None = None
    """From when on the key is refused: a time with a zone, as in `2027-01-31T12:00:00Z`, or the last day on which it
    counts, in UTC."""
    models: list[str] = []
    """The models that it may ask for, by the names that clients use; `*` stands for any text. All, unless it is set."""
    limits: Limits = field(default_factory=Limits)
    """What it may ask for."""
    budget: Budget | list[Budget] = []
    """What it may spend: a mapping, or a list of several."""
    policies: list[str] = []
    """Names of policies with `applies: named` that are applied to its requests."""
    priority: Priority = 0
    """Who goes first where requests wait for a deployment: the greater."""


class KeyWithPath(NamedTuple):
    """A key and where it stands; `granted` is what its entry itself says of what it may do."""

    path: Path
    key: Key
    granted: Grants = Grants()


class KeysRead(Struct, frozen=True):
    """The keys of callers and their teams. `variable` is the one that holds the key, where the configuration has
    none."""

    found: tuple[KeyWithPath, ...]
    teams: dict[str, Team]
    variable: str | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(one.key for one in self.found)


def read_keys(sections: Sections, report: Report, environment: Environment) -> KeysRead:
    """The keys of callers, with all that they may do."""
    gateway = sections.gateway
    tenants = read_tenants(gateway.teams, gateway.key_defaults, report)
    for name in gateway.teams:
        if not _NAME.fullmatch(name):
            report.problem((*TEAMS, name), f"as a team's name, {_NAME_EXPECTED}")
    read = [*_master_key(sections, report), *_entries(gateway.keys, report, environment)]
    found = [_with_defaults(one, tenants) for one in read]
    _check_distinct(found, report)
    _check_callers(found, report)
    _warn_of_ends(found, report, datetime.now(UTC))
    variable = None
    if not found and (from_environment := environment.get(KEY_VARIABLE)):
        variable = KEY_VARIABLE
        found = [_with_defaults(KeyWithPath((), Key.in_clear(from_environment)), tenants)]
    return KeysRead(tuple(found), tenants.teams, variable)


def _with_defaults(one: KeyWithPath, tenants: Tenants) -> KeyWithPath:
    return one._replace(key=replace(one.key, entitlement=one.granted.over(tenants.defaults)))


def _master_key(sections: Sections, report: Report) -> Iterable[KeyWithPath]:
    secret = sections.general.master_key
    if secret and _is_no_reference(secret, _MASTER, report):
        yield KeyWithPath(_MASTER, Key.in_clear(secret, MASTER_KEY))


def _entries(entries: Iterable[Any], report: Report, environment: Environment) -> Iterable[KeyWithPath]:
    for index, entry in enumerate(entries):
        path = (*_KEYS, index)
        if isinstance(entry, dict):
            options = {name: environment.resolve(entry[name], (*path, name)) for name in OPTIONS if name in entry}
            granted = read_grants(options, path, report)
            key = _named(entry, path, report, environment)
        else:
            granted, secret = Grants(), _secret(entry, path, report, environment)
            key = None if secret is None else Key.in_clear(secret)
        if key is not None:
            yield KeyWithPath(path, key, granted)


def _secret(written: Any, path: Path, report: Report, environment: Environment) -> str | None:
    """A key that stands in the configuration or in a variable; None where there is none to read."""
    if isinstance(written, str) and not _is_no_reference(written, path, report):
        return None
    secret, faults = convert_value(str, environment.resolve(written, path), path)
    report.faults(faults)
    if secret == "":
        report.problem(path, "is empty")
    return secret or None


def _is_no_reference(written: str, path: Path, report: Report) -> bool:
    """Report a key that is a reference as another program writes them: who reads it there knows the key."""
    if is_foreign_reference(written):
        report.problem(path, "would be the key as it stands: a variable is written os.environ/NAME")
        return False
    return True


def _named(entry: dict[str, Any], path: Path, report: Report, environment: Environment) -> Key | None:
    values = {name: value for name, value in entry.items() if name not in (*_SOURCES, *OPTIONS)}
    read, faults = convert_struct(KeyEntry, values, path)
    report.faults(faults)
    digest, secret = _digest(entry, path, report, environment)
    if read is None:
        return None
    _check_name(read.name, (*path, "name"), report)
    if read.name == secret:
        report.problem((*path, "name"), "is the key itself: telemetry would show it")
    if read.team is not None and not _NAME.fullmatch(read.team):
        report.problem((*path, "team"), _NAME_EXPECTED)
    _check_labels(read.labels, (*path, "labels"), report)
    expires = None if read.expires is None else _time(read.expires, (*path, "expires"), report)
    return None if digest is None else Key(digest, read.name, secret, read.team, read.labels, expires)


def _digest(
    entry: Mapping[str, Any], path: Path, report: Report, environment: Environment
) -> tuple[bytes | None, str | None]:
    """A key's digest, and the key itself where it is known; None where an entry does not give it."""
    given = [source for source in _SOURCES if entry.get(source) is not None]
    if len(given) != 1:
        report.problem(path, "expected exactly one of key, key_hash and key_file")
        return None, None
    written, at = entry[given[0]], (*path, given[0])
    match given[0]:
        case "key_hash":
            return _hash(written, at, report, environment), None
        case "key_file":
            secret = _in_file(written, at, report, environment)
        case _:
            secret = _secret(written, at, report, environment)
    return (None, None) if secret is None else (digest_of(secret), secret)


def _hash(written: Any, path: Path, report: Report, environment: Environment) -> bytes | None:
    text = environment.resolve(written, path)
    if isinstance(text, str) and (hexadecimal := _HASH.fullmatch(text)):
        return bytes.fromhex(hexadecimal[1])
    report.problem(path, "expected sha256: and the 64 hexadecimal digits of the key's SHA-256")
    return None


def _in_file(written: Any, path: Path, report: Report, environment: Environment) -> str | None:
    """The key in a file, whose name is taken as it stands: what a reference leads to could be the key, and be shown."""
    file, faults = convert_value(str, written, path)
    report.faults(faults)
    if file is None:
        return None
    if file.startswith((REFERENCE, "file:")):
        report.problem(path, "expected the path of a file; references to keys stand in key")
        return None
    return environment.secret(str(FilePath(report.file).parent / file), path)


def _check_name(name: str, path: Path, report: Report) -> None:
    if not _NAME.fullmatch(name):
        report.problem(path, _NAME_EXPECTED)
    elif name in RESERVED_KEY_NAMES:
        report.problem(path, f"{name} is no name for a key: telemetry calls others so")


def _check_labels(labels: Mapping[str, Any], path: Path, report: Report) -> None:
    if len(labels) > _MOST_LABELS:
        report.problem(path, f"expected at most {_MOST_LABELS} labels")
    for name, text in labels.items():
        if not _NAME.fullmatch(name):
            report.problem((*path, name), f"as a label's name, {_NAME_EXPECTED}")
        elif not isinstance(text, str):
            report.problem((*path, name), f"expected text, not {kind_of(text)}; a number stands in quotes")
        elif len(text) > _LONGEST_LABEL or not text.isprintable():
            report.problem((*path, name), f"expected at most {_LONGEST_LABEL} printable characters")


def _time(written: str, path: Path, report: Report) -> datetime | None:
    """The end of a day in UTC, or a time, in UTC as well."""
    try:
        return datetime.combine(date.fromisoformat(written), _LAST_SECOND, UTC)
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(written)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    report.problem(path, "expected a day such as 2027-01-31, or a time with its zone such as 2027-01-31T12:00:00Z")
    return None


def _check_distinct(found: Iterable[KeyWithPath], report: Report) -> None:
    first: dict[bytes, Path] = {}
    for path, key, _ in found:
        if (before := first.setdefault(key.digest, path)) != path:
            report.problem(path, f"is the same key as {dotted(before)}")


def _check_callers(found: Iterable[KeyWithPath], report: Report) -> None:
    """Report entries of one name that tell different things of their caller."""
    first: dict[str, KeyWithPath] = {}
    for one in found:
        if one.key.name is None:
            continue
        before = first.setdefault(one.key.name, one)
        same, here = _options(before.key), _options(one.key)
        for option in here:
            if here[option] != same[option]:
                message = f"differs from that of {dotted(before.path)}, which has the same name"
                report.problem((*one.path, option), message)


def _options(key: Key) -> dict[str, object]:
    """What all keys of one name have in common, by the names of the options."""
    may = key.entitlement
    granted = (may.models, may.limits, may.budgets, may.policies, may.priority)
    return {"team": key.team, "labels": key.labels, **dict(zip(OPTIONS, granted, strict=True))}


def _warn_of_ends(found: Iterable[KeyWithPath], report: Report, now: datetime) -> None:
    for path, key, _ in found:
        if key.expires is None or key.expires > now + _SOON:
            continue
        state = "expired" if key.expires <= now else "expires soon,"
        report.warning((*path, "expires"), f"the key {key.name} {state} at {written_time(key.expires)}")


def written_time(moment: datetime) -> str:
    """A time in UTC to the second, as in `2027-01-31T12:00:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

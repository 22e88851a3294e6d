"""The keys of callers: `general_settings.master_key` and `gateway.keys`, or the variable FLOWSPAN_KEY.

An entry of `gateway.keys` is the key as text, or a mapping that gives it a name. What is wrong with one is reported
with its line; no message shows a key.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from msgspec import Struct

from app.configuration.environment import REFERENCE, Environment, is_foreign_reference
from app.configuration.problems import Report, dotted
from app.configuration.sections import Sections
from app.conversion import Path, convert_struct, convert_value, kind_of
from app.settings import Key, digest_of
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
    one name are one caller's, so that a key can be exchanged for another; team and labels are the same in both."""

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


class _Found(NamedTuple):
    path: Path
    key: Key


def read_keys(sections: Sections, report: Report, environment: Environment) -> tuple[tuple[Key, ...], str | None]:
    """The keys of callers, and the variable that holds them, where the configuration has none."""
    found = [*_master_key(sections, report), *_entries(sections.gateway.keys, report, environment)]
    _check_distinct(found, report)
    _check_callers(found, report)
    _warn_of_ends(found, report, datetime.now(UTC))
    if found or not (from_environment := environment.get(KEY_VARIABLE)):
        return tuple(key for _, key in found), None
    return (Key.in_clear(from_environment),), KEY_VARIABLE


def _master_key(sections: Sections, report: Report) -> Iterable[_Found]:
    secret = sections.general.master_key
    if secret and _is_no_reference(secret, _MASTER, report):
        yield _Found(_MASTER, Key.in_clear(secret, MASTER_KEY))


def _entries(entries: Iterable[Any], report: Report, environment: Environment) -> Iterable[_Found]:
    for index, entry in enumerate(entries):
        path = (*_KEYS, index)
        key = _named(entry, path, report, environment) if isinstance(entry, dict) else None
        if not isinstance(entry, dict) and (secret := _secret(entry, path, report, environment)) is not None:
            key = Key.in_clear(secret)
        if key is not None:
            yield _Found(path, key)


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
    values = {name: value for name, value in entry.items() if name not in _SOURCES}
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


def _check_distinct(found: Iterable[_Found], report: Report) -> None:
    first: dict[bytes, Path] = {}
    for path, key in found:
        if (before := first.setdefault(key.digest, path)) != path:
            report.problem(path, f"is the same key as {dotted(before)}")


def _check_callers(found: Iterable[_Found], report: Report) -> None:
    """Report entries of one name that tell different things of their caller."""
    first: dict[str, _Found] = {}
    for path, key in found:
        if key.name is None:
            continue
        before = first.setdefault(key.name, _Found(path, key))
        for option in ("team", "labels"):
            if getattr(before.key, option) != getattr(key, option):
                message = f"differs from that of {dotted(before.path)}, which has the same name"
                report.problem((*path, option), message)


def _warn_of_ends(found: Iterable[_Found], report: Report, now: datetime) -> None:
    for path, key in found:
        if key.expires is None or key.expires > now + _SOON:
            continue
        state = "expired" if key.expires <= now else "expires soon,"
        report.warning((*path, "expires"), f"the key {key.name} {state} at {written_time(key.expires)}")


def written_time(moment: datetime) -> str:
    """A time in UTC to the second, as in `2027-01-31T12:00:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

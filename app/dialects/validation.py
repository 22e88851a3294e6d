"""Types of a body checked at once, then of its parts by their kind; a fault becomes `InvalidRequest` with its path."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from app.errors import InvalidRequest

_Fields = TypeVar("_Fields")

_LOCATED = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>.*)`$")


def check(value: Mapping[str, Any], fields: type[_Fields], at: str = "") -> _Fields:
    """`value` itself, unknown fields and all, as the TypedDict `fields`; `at` is its path in the body."""
    try:
        msgspec.convert(value, fields)
    except msgspec.ValidationError as error:
        raise _as_invalid_request(str(error), at) from None
    return value  # type: ignore[return-value]


def without(values: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of `values` that are not known: usually none."""
    if values.keys() <= known:
        return {}
    return {name: value for name, value in values.items() if name not in known}


def rest(values: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of `values` that are not known and not null: usually none."""
    if values.keys() <= known:
        return {}
    return {name: value for name, value in values.items() if name not in known and value is not None}


def _as_invalid_request(reason: str, at: str) -> InvalidRequest:
    located = _LOCATED.match(reason)
    what, path = (located["what"], located["path"]) if located else (reason, None)
    path = ".".join(part for part in (at, path) if part)
    if missing := _MISSING.match(what):
        return missing_field(f"{path}.{missing['field']}" if path else missing["field"])
    if not path:
        return InvalidRequest(f"{what}.")
    return InvalidRequest(f"{path}: {what[:1].lower()}{what[1:]}.", param=path)


def missing_field(path: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: a required field is missing.", param=path)

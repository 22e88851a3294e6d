"""Converts plain data, as YAML gives it, to typed values. All faults are found, each with its path; none shows a value.

Durations (`Seconds`) and sizes (`ByteSize`) are read from their written forms.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct, ValidationError
from msgspec.structs import FieldInfo, fields

from app.settings import ByteSize, FileMode, Seconds

T = TypeVar("T", bound=Struct)
Path = tuple[str | int, ...]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, None: 1}
_MODE = re.compile(r"(?:0o?)?([0-7]{3})")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


class Fault(NamedTuple):
    """A message about the value at `path`."""

    path: Path
    message: str


def convert_struct(kind: type[T], data: object, path: Path = ()) -> tuple[T | None, list[Fault]]:
    """A `kind` made of `data`, and all faults. `data` that is None counts as an empty mapping.

    A field with a fault keeps its default; if it has none, no `kind` is made.
    """
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return None, [Fault(path, f"expected a mapping, not {kind_of(data)}")]
    known = {field.encode_name: field for field in fields(kind)}
    faults = [
        Fault((*path, str(key)), f"unknown option{did_you_mean(str(key), known)}") for key in data if key not in known
    ]
    values: dict[str, Any] = {}
    complete = True
    for name, field in known.items():
        required = field.default is NODEFAULT and field.default_factory is NODEFAULT
        if name in data:
            value, found = _convert_field(field, data[name], (*path, name))
            faults += found
            if not found or (isinstance(value, Struct) and not required):
                values[field.name] = value
            elif required:
                complete = False
        elif required:
            complete = False
            faults.append(Fault((*path, name), "missing"))
    return (kind(**values) if complete else None), faults


def convert_value(kind: Any, data: object, path: Path = ()) -> tuple[Any, list[Fault]]:
    """A value of any type that msgspec supports, or `Seconds` or `ByteSize`, and its faults. Numbers may be given as
    text, as in environment variables."""
    if get_origin(kind) is Literal and isinstance(data, int | float) and not isinstance(data, bool):
        # A choice can look like a number to YAML, as a version does.
        data = str(data)
    try:
        return msgspec.convert(data, kind, strict=False, dec_hook=_written_form), []
    except ValidationError as error:
        where, message = _explain(error)
        choices = _choices(kind)
        # YAML takes `off` and `no` for truth values, which is no help to who wanted one of the choices.
        if choices and (message.startswith("Invalid enum value") or get_origin(kind) is Literal):
            message = f"expected one of {', '.join(choices)}"
        return None, [Fault(path + where, message)]


def kind_of(data: object) -> str:
    """What an operator would call the type of `data`, for use in a message."""
    match data:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "nothing"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message that suggests the word of `known` which is closest to `word`; empty if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def parse_seconds(data: object) -> Seconds:
    """A duration from a number or its written form; raises ValueError."""
    if isinstance(data, int | float) and not isinstance(data, bool) and 0 <= data < float("inf"):
        return Seconds(data)
    if isinstance(data, str) and (written := _DURATION.fullmatch(data.strip())):
        return Seconds(float(written[1]) * _SECONDS[written[2]])
    raise ValueError("expected a duration such as 30, 30s, 500ms, 2m or 1h")


def parse_size(data: object) -> ByteSize:
    """A size from a number or its written form; raises ValueError."""
    if isinstance(data, int) and not isinstance(data, bool) and data > 0:
        return ByteSize(data)
    if isinstance(data, str) and (written := _SIZE.fullmatch(data.strip())) and int(written[1]):
        return ByteSize(int(written[1]) * _BYTES[written[2]])
    raise ValueError("expected a size such as 1024, 64KiB, 8MiB or 1GiB, more than 0")


def parse_mode(data: object) -> FileMode:
    """Permissions from their octal digits; raises ValueError. A number is none: what YAML makes of 0660 is another one
    than of 660."""
    if isinstance(data, str) and (written := _MODE.fullmatch(data.strip())):
        return FileMode(int(written[1], 8))
    raise ValueError('expected octal digits in quotes, such as "0660"')


def _convert_field(field: FieldInfo, data: object, path: Path) -> tuple[Any, list[Fault]]:
    if isinstance(field.type, type) and issubclass(field.type, Struct):
        return convert_struct(field.type, data, path)
    return convert_value(field.type, data, path)


def _written_form(kind: type, data: Any) -> Any:
    if kind is Seconds:
        return parse_seconds(data)
    if kind is ByteSize:
        return parse_size(data)
    if kind is FileMode:
        return parse_mode(data)
    # In the form of msgspec's messages about a value. The fault is in the policy's code, which the path leads to.
    raise ValueError(f"no option can be of type {kind.__name__}: take text or numbers, and make it of them")


_AT = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\[(\d+)\]|\.(\w+)")


def _explain(error: ValidationError) -> tuple[Path, str]:
    """The path that msgspec's message ends with, and the message in an operator's words."""
    text = str(error)
    where: Path = ()
    if at := _AT.search(text):
        text = text[: at.start()]
        where = tuple(int(index) if index else name for index, name in _STEP.findall(at[1].partition("[...]")[0]))
    text = re.sub(r"`([\w| ]+)( [<>]=? [\d.-]+)?`", _in_words, text)
    return where, text.replace("Expected", "expected", 1).replace(", got ", ", not ", 1)


def _in_words(match: re.Match[str]) -> str:
    names = [_WORDS.get(name, name) for name in match[1].split(" | ")]
    return " or ".join(names) + (match[2] or "")


def _choices(kind: Any) -> tuple[str, ...]:
    if kind is bool:
        return "true", "false"
    if get_origin(kind) is Literal:
        return tuple(str(choice) for choice in get_args(kind))
    inner: Mapping[str, None] = dict.fromkeys(choice for part in get_args(kind) for choice in _choices(part))
    return tuple(inner)

"""Bundles: recordings in one JSON file, to be sent to a colleague, kept as a test, explained or replayed elsewhere.

    {"format": "flowspan-bundle", "version": 1, "recordings": [{"explanation": "...", "recording": {...}}]}

A body that is UTF-8 stands there as text, for a reader with an editor; any other as `{"base64": "..."}`. Either way it
is exact to the byte. `explanation` is for readers and is not read back.
"""

import base64
import binascii
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.errors import legible
from app.recorder.explaining import explain
from app.recorder.recording import VERSION, Recording

FORMAT = "flowspan-bundle"
_LIMIT = 512 * 1024**2
"""Bytes of a file that is read."""
_INDENT = "  "


class BundleRefused(Exception):
    """A file is no bundle that can be read here; the text says which file, where in it, and what is wrong."""


def encode_bundle(recordings: Sequence[Recording]) -> bytes:
    content = {
        "format": FORMAT,
        "version": VERSION,
        "recordings": [{"explanation": explain(one), "recording": _plain(one)} for one in recordings],
    }
    # Half of a surrogate pair, which names and details may hold, is no text for a file.
    return ("".join(_lines(content, "")) + "\n").encode(errors="replace")


def read_bundle(path: Path) -> tuple[Recording, ...]:
    """The recordings of a file, at least one. Raises BundleRefused."""
    try:
        # Not by its size: a device or a pipe has none.
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise BundleRefused(f"{path} cannot be read: {error.strerror or error}") from None
    return decode_bundle(data, os.fspath(path))


def decode_bundle(data: bytes, name: str) -> tuple[Recording, ...]:
    """The recordings of a bundle, at least one. `name` is what errors call it. Raises BundleRefused."""
    if len(data) > _LIMIT:
        raise BundleRefused(f"{name} is larger than a bundle may be: {_LIMIT // 1024**2} MiB")
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleRefused(f"{name} is no bundle: it is not JSON ({_reason(error)})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BundleRefused(f"{name} is no bundle: it has no `format` of {FORMAT!r}")
    _check_version(content.get("version"), f"{name} is a bundle")
    items = content.get("recordings")
    if not isinstance(items, list) or not items:
        raise BundleRefused(f"{name} is broken: `recordings` is no list with at least one recording")
    return tuple(_recording(item, f"{name} is broken: recordings[{at}]") for at, item in enumerate(items))


def _check_version(version: object, what: str) -> None:
    if version != VERSION:
        raise BundleRefused(f"{what} of version {legible(repr(version), 40)}; this Flowspan reads version {VERSION}")


def _recording(item: object, where: str) -> Recording:
    found = item.get("recording") if isinstance(item, dict) else None
    if not isinstance(found, dict):
        raise BundleRefused(f"{where} has no `recording`")
    _check_version(found.get("version"), f"{where} is a recording")
    try:
        for holder, key in _bodies(found):
            holder[key] = _bytes(holder[key])
        return msgspec.convert(found, Recording, builtin_types=(bytes,))
    except (msgspec.ValidationError, binascii.Error, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BundleRefused(f"{where} {_reason(error)}") from None


def _reason(error: Exception) -> str:
    match error:
        case LookupError() | AttributeError() | TypeError():
            return "has a body of an unknown form"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return legible(str(error), 300)


def _bodies(recording: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Where a recording in plain values has bytes: what holds them, and under which key."""
    for owner in (recording, *recording.get("attempts", ())):
        if "data" in owner.get("request", {}):
            yield owner["request"], "data"
        for piece in owner.get("answer", ()):
            yield piece, 1


def _plain(recording: Recording) -> Any:
    plain = msgspec.to_builtins(recording, builtin_types=(bytes,))
    for holder, key in _bodies(plain):
        holder[key] = _text(holder[key])
    return plain


def _text(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _bytes(text: str | dict[str, str]) -> bytes:
    return text.encode() if isinstance(text, str) else base64.b64decode(text["base64"], validate=True)


def _lines(value: Any, margin: str) -> Iterator[str]:
    """JSON that a person can read: what holds nothing but plain values, such as a piece or a header, is on one line."""
    if not isinstance(value, dict | list | tuple) or not _has_parts(value):
        yield _on_one_line(value)
        return
    inner = margin + _INDENT
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    separator = opening
    for item in value.items() if isinstance(value, dict) else value:
        yield f"{separator}\n{inner}"
        if isinstance(value, dict):
            yield f"{json.dumps(item[0], ensure_ascii=False)}: "
            item = item[1]
        yield from _lines(item, inner)
        separator = ","
    yield f"\n{margin}{closing}"


def _on_one_line(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        # Half of a surrogate pair.
        return json.dumps(value, ensure_ascii=False)


def _has_parts(value: Any) -> bool:
    """Whether it is laid out over several lines."""
    if isinstance(value, dict):
        return bool(value)
    return any(isinstance(item, dict | list | tuple) for item in value)

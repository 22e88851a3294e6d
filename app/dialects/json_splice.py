"""A JSON object as its sender wrote it, with other values for some of its keys: every other byte stays. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_KEY = re.compile(rb'\s*,?\s*"(?:[^"\\]|\\.)*+"\s*:\s*')
_END = re.compile(rb"\s*}\s*")
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
Path = tuple[str | int, ...]
"""Names of fields and positions in lists, from the outermost object on."""


def with_value_at(raw: bytes, path: Path, value: Any) -> bytes:
    """Set one value within. The lists that it stands in lose the whitespace between their entries."""
    return _replaced(raw, path, msgspec.Raw(msgspec.json.encode(value)))


def _replaced(raw: bytes, path: Sequence[str | int], value: msgspec.Raw) -> bytes:
    if not path:
        return bytes(value)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        entries = _decode_list(raw)
        entries[step] = msgspec.Raw(_replaced(bytes(entries[step]), rest, value))
        return msgspec.json.encode(entries)
    return with_values(raw, {step: msgspec.Raw(_replaced(bytes(_decode(raw)[step]), rest, value))})


def with_values(raw: bytes, values: Mapping[str, Any]) -> bytes:
    """Set the values of some keys; new keys come last. An object that has a key twice is encoded anew, the last value
    counting."""
    members = _decode(raw)
    encoded = {name: msgspec.json.encode(value) for name, value in values.items()}
    if (positions := _positions(raw, members)) is None:
        return msgspec.json.encode({**members, **{name: msgspec.Raw(value) for name, value in encoded.items()}})
    pieces: list[bytes] = []
    done = 0
    for name, (start, end) in positions.items():
        if name in encoded:
            pieces += [raw[done:start], encoded.pop(name)]
            done = end
    last = max((end for _, end in positions.values()), default=raw.index(b"{") + 1)
    pieces.append(raw[done:last])
    new = [b"%b:%b" % (msgspec.json.encode(name), value) for name, value in encoded.items()]
    return b"".join(pieces) + b",".join([b"", *new] if positions else new) + raw[last:]


def _positions(raw: bytes, members: Mapping[str, msgspec.Raw]) -> dict[str, tuple[int, int]] | None:
    """Start and end of each value; None if a key stands twice, so that the members do not follow each other."""
    positions: dict[str, tuple[int, int]] = {}
    at = raw.index(b"{") + 1
    for name, value in members.items():
        key = _KEY.match(raw, at)
        if key is None or not raw.startswith(written := bytes(value), key.end()):
            return None
        at = key.end() + len(written)
        positions[name] = (key.end(), at)
    return positions if _END.fullmatch(raw, at) else None

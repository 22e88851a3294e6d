"""A JSON object as its sender wrote it, with other values for some of its keys: every other byte stays. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_KEY = re.compile(rb'\s*,?\s*"(?:[^"\\]|\\.)*+"\s*:\s*')
_END = re.compile(rb"\s*}\s*")
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


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

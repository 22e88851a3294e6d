"""Recordings as bytes: msgpack, compressed with zstd.

The requests of an agent repeat its whole conversation, so most of what is recorded was recorded before. A large
recording is compressed against a *base*: the body of an earlier request like it, which is stored once. What is left is
what is new, and a recording needs no other one but its base to be read.
"""

import sys
from collections import OrderedDict
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple, cast

import msgspec

from app.recorder.recording import VERSION, Recording
from app.recorder.stores import StoreFailed

_LEVEL = 2
"""Against a base it takes half the time of the next one, for 5 % more bytes."""
_SMALLEST = 8 * 1024
"""Bytes of a request's body from which on a base is worth its while."""
_LITTLE = 4 * 1024
"""Bytes of a compressed recording that are not worth a new base, however well that would do."""
_MOST_BASES = 64
_MOST_BYTES = 32 * 1024**2
_WINDOW_LOG = 27
_LARGEST = 512 * 1024**2
"""Bytes of a recording, or of a base, that is read."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Recording)


class Encoded(NamedTuple):
    data: bytes
    base: int | None
    """The number of its base."""
    new_base: bytes | None = None
    """The base itself, compressed, where it is not stored yet."""


class _Base(NamedTuple):
    number: int
    body: bytes
    alone: int
    """Bytes that it takes itself, compressed."""


class Encoder:
    """Remembers the latest bases, within bounds; their numbers go on from `next_base`."""

    def __init__(self, next_base: int = 1) -> None:
        self._next = next_base
        self._bases: OrderedDict[tuple[str | None, ...], _Base] = OrderedDict()
        self._bytes = 0
        self._compressor = _zstd().ZstdCompressor(_LEVEL)
        """Kept, for a new one costs as much as a small recording."""

    def encode(self, recording: Recording) -> Encoded:
        data, body = _encoder.encode(recording), recording.request.data
        if len(body) < _SMALLEST:
            packed = self._compressor.compress(data, mode=self._compressor.FLUSH_FRAME)
            return Encoded(packed, None)
        entry = recording.entry
        key = (entry.api, entry.key, entry.conversation or entry.model)
        base = self._bases.get(key)
        if base is not None:
            packed = compressed(data, base.body)
            if len(packed) <= max(base.alone // 2, _LITTLE):
                self._bases.move_to_end(key)
                return Encoded(packed, base.number)
        new = compressed(body)
        self._remember(key, _Base(self._next, body, len(new)))
        self._next += 1
        return Encoded(compressed(data, body), self._next - 1, new)

    def forget(self) -> None:
        """Have the recordings from now on begin with new bases."""
        self._bases.clear()
        self._bytes = 0

    def _remember(self, key: tuple[str | None, ...], base: _Base) -> None:
        before = self._bases.pop(key, None)
        self._bases[key] = base
        self._bytes += len(base.body) - (len(before.body) if before else 0)
        while len(self._bases) > _MOST_BASES or (self._bytes > _MOST_BYTES and len(self._bases) > 1):
            _, gone = self._bases.popitem(last=False)
            self._bytes -= len(gone.body)


def compressed_recording(recording: Recording) -> bytes:
    """The recording alone, without a base."""
    return compressed(_encoder.encode(recording))


def decode(data: bytes, base: bytes | None = None, largest: int = _LARGEST) -> Recording:
    """The recording; `base` is compressed, as it was stored. Raises StoreFailed for one that cannot be read, or would
    be larger than so many bytes."""
    try:
        recording = _decoder.decode(decompressed(data, None if base is None else decompressed(base), largest))
    except Exception as error:
        # zstd and msgspec have errors of their own, each.
        raise StoreFailed(f"a recording is broken: {error}") from None
    if recording.version != VERSION:
        raise StoreFailed(f"a recording has version {recording.version}; this gateway reads version {VERSION}")
    return recording


def compressed(data: bytes, base: bytes | None = None) -> bytes:
    library = _zstd()
    if base is None:
        return cast(bytes, library.compress(data, _LEVEL))
    parameter = library.CompressionParameter
    reach = min(_WINDOW_LOG, max(10, (len(base) + len(data)).bit_length()))
    options = {parameter.compression_level: _LEVEL, parameter.window_log: reach}
    return cast(bytes, library.compress(data, options=options, zstd_dict=_prefix(base)))


def decompressed(data: bytes, base: bytes | None = None, largest: int = _LARGEST) -> bytes:
    library = _zstd()
    options = {library.DecompressionParameter.window_log_max: _WINDOW_LOG}
    decompressor = library.ZstdDecompressor(zstd_dict=None if base is None else _prefix(base), options=options)
    # Of a file that somebody else wrote, a few bytes could be more than the memory holds.
    found = cast(bytes, decompressor.decompress(data, largest))
    if not decompressor.eof:
        raise ValueError(f"it is cut, or larger than {largest // 1024**2} MiB")
    return found


def _prefix(base: bytes) -> object:
    return _zstd().ZstdDict(base, is_raw=True).as_prefix


@cache
def _zstd() -> ModuleType:
    """The standard library's module, or its backport; imported by the first recording."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

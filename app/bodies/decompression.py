"""Compressed bodies, decoded piece by piece: a client's, whole in memory, and a provider's, as it comes in.

A few kilobytes can stand for gigabytes, so no layer ever gives more than it is asked for, and a whole step takes a few
milliseconds. Codings may be stacked (`gzip, zstd`, in the order in which they were applied); each layer draws from the
one below it, and whoever reads the topmost counts what comes out.

A window of zstd is bounded to the 8 MiB that RFC 9659 allows for this content coding.
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from app.errors import InvalidRequest, RequestTooLarge, UnsupportedEncoding

PIECE = 64 * 1024
"""Bytes that one step takes of what is below, at most."""
STEP = 256 * 1024
"""Bytes that one step gives, at most."""
_WINDOW = 8 * 1024**2
"""Bytes that a decoder of zstd may hold beside what it gives."""
_WINDOW_LOG = _WINDOW.bit_length() - 1
_MOST_LAYERS = 3
_MOST_MEMBERS = 1000
"""Members of one gzip body, or frames of a zstd one: each costs something, and may stand for nothing."""
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15
"""Forms of deflate, as zlib calls them."""


class _Decompressor(Protocol):
    """One member or frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Undecodable(ValueError):
    """A body is not what its coding says; the text completes "The body ..."."""


class _TooLarge(Exception):
    pass


class _Source(Protocol):
    @property
    def ended(self) -> bool: ...

    @property
    def is_hungry(self) -> bool:
        """Whether it can give nothing before more comes in, if more is to come."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none is not yet the end."""


class _Received:
    """The body as it came."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._at = 0
        self.ended = not body

    @property
    def is_hungry(self) -> bool:
        return self.ended

    def read(self, size: int) -> bytes:
        piece = bytes(self._body[self._at : self._at + size])
        self._at += len(piece)
        self.ended = self._at == len(self._body)
        return piece


class _Arriving:
    """A body that comes in pieces. Whoever feeds it feeds no more before the last piece was read."""

    def __init__(self) -> None:
        self._piece = memoryview(b"")
        self.is_finished = False

    def feed(self, data: bytes) -> None:
        self._piece = memoryview(data)

    @property
    def ended(self) -> bool:
        return self.is_finished and not self._piece

    @property
    def is_hungry(self) -> bool:
        return not self._piece

    def read(self, size: int) -> bytes:
        piece = bytes(self._piece[:size])
        self._piece = self._piece[size:]
        return piece


class _Layer:
    """One coding taken off what `source` gives; the output of all its steps has at most `limit` bytes."""

    def __init__(self, coding: str, source: _Source, limit: int) -> None:
        self._coding = coding
        self._source = source
        self._limit = self._left = limit
        self._decompressor: _Decompressor | None = None
        self._members = 0
        self._input = b""
        self._may_have_more = False
        """The decompressor was stopped at the size that was asked for."""
        self.ended = False

    @property
    def is_hungry(self) -> bool:
        return not self._input and not self._may_have_more and self._source.is_hungry

    def read(self, size: int) -> bytes:
        if not self._input and not self._may_have_more:
            self._input = self._source.read(PIECE)
            if not self._input:
                self._end()
                return b""
        if self._decompressor is None:
            self._decompressor = self._next_member()
        given = self._decompress(self._decompressor, size)
        self._left -= len(given)
        if self._left < 0:
            raise _TooLarge
        return given

    def _decompress(self, decompressor: _Decompressor, size: int) -> bytes:
        try:
            given = decompressor.decompress(self._input, size)
        except MemoryError:
            raise
        except Exception:
            # Each library has an error of its own for data that it cannot read.
            raise Undecodable(f"is not valid {self._coding}") from None
        if decompressor.eof:
            self._input = decompressor.unused_data
            self._decompressor = None
            self._may_have_more = False
        else:
            # zlib gives back what it had no room for; zstd keeps it.
            self._input = getattr(decompressor, "unconsumed_tail", b"")
            self._may_have_more = len(given) == size
        return given

    def _next_member(self) -> _Decompressor:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise Undecodable(f"has more than {_MOST_MEMBERS} pieces of {self._coding}")
        return _CODINGS[self._coding](self._input)

    def _end(self) -> None:
        if self._source.ended:
            if self._decompressor is not None:
                raise Undecodable(f"ends in the middle of its {self._coding}")
            self.ended = True


class Decompression:
    """Decodes a request's body. `limit` bounds the bytes of the result, and those between two layers."""

    def __init__(self, body: bytes, codings: tuple[str, ...], limit: int) -> None:
        self.holds = _WINDOW * codings.count("zstd")
        """Bytes that it may hold for itself."""
        self._limit = limit
        self._source = _layered(_Received(body), codings, limit)

    def step(self) -> bytes | None:
        """The next bytes, at most `STEP`, perhaps none yet; None after the last. Raises InvalidRequest for a body that
        is not what its header says, and RequestTooLarge."""
        try:
            given = self._source.read(STEP)
        except Undecodable as error:
            raise InvalidRequest(f"The request body {error}.") from None
        except _TooLarge:
            raise RequestTooLarge(f"The request is larger than {self._limit} bytes, decompressed.") from None
        return None if self._source.ended and not given else given


class ArrivingDecompression:
    """Decodes a body as it comes in: `feed` it whenever `step` has nothing to give, and `finish` it at its end. Its
    reader bounds what it decodes to, as nothing is decoded before it is read."""

    def __init__(self, codings: tuple[str, ...]) -> None:
        self._arriving = _Arriving()
        self._source = _layered(self._arriving, codings, sys.maxsize)

    def feed(self, data: bytes) -> None:
        self._arriving.feed(data)

    def finish(self) -> None:
        self._arriving.is_finished = True

    def step(self) -> bytes | None:
        """The next bytes, at most `STEP`: none if more has to come in first, None after the last. Raises Undecodable
        for a body that is not what its coding says."""
        while not (given := self._source.read(STEP)):
            if self._source.ended:
                return None
            if self._source.is_hungry and not self._arriving.is_finished:
                return b""
        return given


def _layered(source: _Source, codings: tuple[str, ...], limit: int) -> _Source:
    for coding in reversed(codings):
        source = _Layer(coding, source, limit)
    return source


def codings_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The codings of a body, in the order in which they were applied. Raises UnsupportedEncoding."""
    value = headers.get("content-encoding", "")
    if (codings := known_codings(value)) is None:
        raise UnsupportedEncoding(value, accepted=_ACCEPTED)
    return codings


def known_codings(value: str) -> tuple[str, ...] | None:
    """The codings that a Content-Encoding names, in the order in which they were applied; None where one is unknown, or
    where there are too many."""
    if not value:
        return ()
    names = [name.strip().lower().removeprefix("x-") for name in value.split(",")]
    codings = tuple(name for name in names if name not in ("", "identity"))
    return codings if len(codings) <= _MOST_LAYERS and _CODINGS.keys() >= set(codings) else None


def _deflate(data: bytes) -> _Decompressor:
    """`deflate` is deflate in zlib's frame (RFC 9110, 8.4.1.2); some clients send it bare."""
    framed = data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)
    return zlib.decompressobj(_ZLIB if framed else _DEFLATE)


def _gzip(data: bytes) -> _Decompressor:
    return zlib.decompressobj(_GZIP)


def _zstd(data: bytes) -> _Decompressor:
    library = _zstd_library()
    options = {library.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return cast(_Decompressor, library.ZstdDecompressor(options=options))


@cache
def _zstd_library() -> ModuleType:
    """The standard library's module, or its backport; imported for the first body that needs it."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


_CODINGS: Mapping[str, Callable[[bytes], _Decompressor]] = {"gzip": _gzip, "zstd": _zstd, "deflate": _deflate}
_ACCEPTED = ", ".join(_CODINGS)
"""What a client may send, for `accept-encoding`."""

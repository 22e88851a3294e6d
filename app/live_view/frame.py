"""What is shown of one moment of a gateway, as it travels: JSON with a version. And the rates between such moments."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from msgspec import Struct

from telemetry import Snapshot
from telemetry.names import WHERE, Where

VERSION = 1
"""The version of the form of frames; a reader refuses those of another."""
_WINDOW = 5.0
_STATION_OF = {"policy": "policies", "format": "formatter"}
"""The stations that have another name than their part of the time ledger."""


class OtherVersion(Exception):
    """A frame has the form of another version of Flowspan; the text is for an operator."""


class NoFrame(Exception):
    """A text is no frame at all."""


class About(Struct, frozen=True, kw_only=True):
    """What changes with a gateway's start, and with its configuration."""

    instance: str
    """Changes with each start."""
    release: str
    """The version of Flowspan."""
    started_at: float
    """Unix seconds."""
    policies: tuple[str, ...] = ()
    generation: int = 1
    """Counts the configurations since the gateway's start."""
    url: str = ""
    """Where the gateway's API is, as its operator reaches it; empty where that is not known."""
    records: bool = False
    """Whether its recorder keeps transactions."""


def new_instance() -> str:
    """An id for a gateway that starts."""
    return uuid4().hex


class Frame(Struct, frozen=True, kw_only=True):
    version: int = VERSION
    about: About
    at: float
    """Unix seconds."""
    snapshot: Snapshot

    @property
    def elapsed(self) -> float:
        """Seconds since the gateway's start."""
        return self.at - self.about.started_at

    @property
    def waiting(self) -> dict[str, int]:
        """How many of all open streams wait at each station of the pipeline, by its name."""
        return {_STATION_OF.get(where, where): count for where, count in self.snapshot.waiting.items()}

    @property
    def open_streams(self) -> int:
        return sum(self.snapshot.in_flight.values())


class _Versioned(Struct):
    version: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Frame).decode
_version_of = msgspec.json.Decoder(_Versioned).decode


def encode_frame(frame: Frame) -> bytes:
    return _encode(frame)


def decode_frame(data: bytes | str) -> Frame:
    """Raises OtherVersion, or NoFrame."""
    try:
        version = _version_of(data).version
    except msgspec.MsgspecError as error:
        raise NoFrame(str(error)) from None
    if version != VERSION:
        raise OtherVersion(f"the gateway's live view has version {version}, and this flowspan reads version {VERSION}")
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise OtherVersion(f"the gateway is another version of Flowspan: {error}") from None


@dataclass(frozen=True)
class Rates:
    """Amounts per second, over the window; `shares` is the time ledger of the window, in seconds."""

    requests: float
    chunks: float
    bytes_out: float
    shares: Mapping[Where, float]


class RateWindow:
    """The rates over the last five seconds, or as long as frames have come. Frames of another start begin anew."""

    def __init__(self, window: float = _WINDOW) -> None:
        self._window = window
        self._frames: deque[Frame] = deque()

    def add(self, now: Frame) -> Rates:
        frames = self._frames
        if frames and frames[-1].about.instance != now.about.instance:
            frames.clear()
        frames.append(now)
        while now.at - frames[0].at > self._window:
            frames.popleft()
        first, last = frames[0].snapshot, now.snapshot
        passed = max(now.at - frames[0].at, 1e-9)
        return Rates(
            (last.opened - first.opened) / passed,
            (last.chunks_in - first.chunks_in) / passed,
            (last.bytes_out - first.bytes_out) / passed,
            {where: last.seconds[where] - first.seconds[where] for where in WHERE},
        )

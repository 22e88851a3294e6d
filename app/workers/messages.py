"""What the supervisor and a worker say to each other, as MessagePack.

A worker says who it is, is told what to serve, says when it does, and lets the others know what they should by way of
the supervisor. What the supervisor asks for is answered under its number; and it says when to leave.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app.configuration import Configuration
from app.peers.news import News
from app.recorder.capture import TransactionUnderWay
from app.settings import Settings, WorkerProcess
from telemetry import Snapshot
from telemetry.names.resource import VERSION

PROTOCOL = 2
"""Grows when messages change, so that a supervisor knows a worker of a release that it cannot talk to."""


class Hello(Struct, frozen=True, tag=True):
    """A worker's first message."""

    protocol: int = PROTOCOL
    release: str = VERSION


class Begin(Struct, frozen=True, tag=True):
    """What a worker is to serve. It takes the settings that are here if it is of the same release as the supervisor,
    else the configuration itself, by `source`."""

    release: str
    source: msgspec.Raw
    settings: msgspec.Raw
    environment: dict[str, str]
    """Variables that the configuration declares."""
    generation: int
    """How many configurations there were, this one included."""
    since: float
    """When it came into use, in Unix time."""
    worker: WorkerProcess
    sockets: tuple[int, ...]
    """Descriptors of the listening sockets."""
    recordings: int | None = None
    """The descriptor of the socket by which recordings go to the supervisor."""


class ReadConfiguration(Struct, frozen=True):
    """A configuration as one worker has read it, which all others are to serve, too."""

    settings: msgspec.Raw
    environment: dict[str, str]
    files: tuple[str, ...]


class Ready(Struct, frozen=True, tag=True):
    """The worker serves. `policies` are the names of its chain's, `files` what it has read."""

    policies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class PreparedConfiguration(Struct, frozen=True):
    """A configuration that a worker has read and checked, and does not serve yet. `policies` are the names of its
    chain's, `files` what was read for it; the rest is lines for people."""

    read: ReadConfiguration
    policies: tuple[str, ...]
    files: tuple[str, ...]
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    warnings: tuple[str, ...]


class Perform(Struct, frozen=True, tag=True):
    """An act is to be performed."""

    number: int
    act: msgspec.Raw
    actor: str


class InForce(Struct, frozen=True, tag=True):
    """The acts that are to be performed before anything is served, for they are in force at the other workers."""

    acts: tuple[msgspec.Raw, ...]


class TakeSnapshot(Struct, frozen=True, tag=True):
    """What the worker does at this moment is wanted: a `Snapshot`."""

    number: int


class ListUnderWay(Struct, frozen=True, tag=True):
    """The transactions are wanted that have not ended: those of a conversation, or without their bodies all of them."""

    number: int
    conversation: str | None


class Ping(Struct, frozen=True, tag=True):
    """A sign of life is wanted."""

    number: int


class Prepare(Struct, frozen=True, tag=True):
    """The configuration is to be read anew and checked, or what another worker has `read` is to be checked; nothing
    changes yet. A `PreparedConfiguration` is wanted. Unless it `is_kept`, it will not be adopted."""

    number: int
    read: ReadConfiguration | None = None
    is_kept: bool = True


class Adopt(Struct, frozen=True, tag=True):
    """What was prepared last is to be served from now on, as this generation of the configuration. A worker that has
    not prepared what was `read` does so now."""

    number: int
    read: ReadConfiguration
    generation: int


class Replied(Struct, frozen=True, tag=True):
    """What became of a wish, by its number."""

    number: int
    outcome: msgspec.Raw


class NotDone(Struct, frozen=True, tag=True):
    """A wish could not be fulfilled; the text is for whoever asked."""

    number: int
    reason: str


class ConsoleAt(Struct, frozen=True, tag=True):
    """Where the console is, for the root of the API."""

    url: str


class Leave(Struct, frozen=True, tag=True):
    """The gateway ends: the worker is to do what a gateway of one process does at this signal."""

    signal: int


class Retire(Struct, frozen=True, tag=True):
    """Another worker takes its place: it is to accept no more connections, and to end when those it has are done."""


Wish = Perform | TakeSnapshot | ListUnderWay | Prepare | Adopt | Ping
ToWorker = Begin | InForce | ConsoleAt | Wish | Leave | Retire | News
ToSupervisor = Hello | Ready | Replied | NotDone | News


def _plain(value: Any) -> float | int:
    """A duration or a size as the number that it is."""
    match value:
        case float():
            return float(value)
        case int():
            return int(value)
    # What msgspec wants of a hook that does not know a type: it then names the type itself.
    raise NotImplementedError


def _with_unit(kind: Any, value: Any) -> Any:
    return kind(value)


encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
decode_for_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_for_supervisor = msgspec.msgpack.Decoder(ToSupervisor).decode
decode_prepared = msgspec.msgpack.Decoder(PreparedConfiguration).decode
decode_outcome = msgspec.msgpack.Decoder(dict[str, Any]).decode
decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode
decode_under_way = msgspec.msgpack.Decoder(list[TransactionUnderWay]).decode
decode_settings = msgspec.msgpack.Decoder(Settings, dec_hook=_with_unit).decode


def raw(value: Struct | Snapshot | dict[str, Any] | Sequence[TransactionUnderWay]) -> msgspec.Raw:
    """A part of a message that only its reader takes apart."""
    return msgspec.Raw(encode(value))


def read_configuration(configuration: Configuration) -> ReadConfiguration:
    """A configuration as a part of a message."""
    environment = dict(configuration.environment)
    return ReadConfiguration(raw(configuration.settings), environment, configuration.files)


def configuration_of(read: ReadConfiguration) -> Configuration:
    """The configuration in a message."""
    return Configuration(decode_settings(read.settings), (), read.environment, files=read.files)

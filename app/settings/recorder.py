"""What is kept of transactions to be looked at, and where that is shown."""

from typing import Literal

from msgspec import Struct

from app.settings.units import ByteSize, Count, Port, Seconds, Share


class RecorderSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of each transaction, byte for byte, so that it can be looked at and replayed: never a key, and
    nothing in clear that a policy such as `redact` took out. A file may say `recorder: memory` for `recorder: {store:
    memory}`."""

    store: str = "off"
    """Where recordings are kept: `off`, `memory`, `sqlite:///FILE` (a path from the working directory; with four
    slashes, an absolute one) or `postgresql://...`, which several gateways may share."""
    memory: ByteSize = ByteSize(64 * 1024**2)
    """Bytes that the store `memory` keeps; beyond them the oldest recordings go."""
    max_age: Seconds = Seconds(7 * 24 * 3600)
    """How long a recording is kept in a file or a database."""
    max_size: ByteSize = ByteSize(2 * 1024**3)
    """Bytes of recordings in a file or a database, as they are stored; beyond them the oldest go."""
    recording_limit: ByteSize = ByteSize(16 * 1024**2)
    """Bytes of one recording; what comes beyond them is counted and left out of it."""
    under_way: ByteSize = ByteSize(512 * 1024**2)
    """Bytes of the recordings of all transactions that have not ended; what comes beyond them is counted and left out
    of the recordings."""
    backlog: ByteSize = ByteSize(64 * 1024**2)
    """Bytes of recordings that wait for the store; beyond them recordings are lost, and counted."""
    sample: Share = 1.0
    """The share of transactions that is kept, of those that the filters let through."""
    models: tuple[str, ...] = ()
    """The models whose transactions are kept, `*` for any text; none for all of them."""
    keys: tuple[str, ...] = ()
    """The names of the keys whose transactions are kept; none for all of them."""
    outcomes: Literal["all", "failures"] = "all"
    """`failures` keeps only what went wrong."""
    flight: Count = 32
    """How many of the transactions before a failure are pinned with it: they stay when others of their age go."""
    concealed: Literal["masked", "clear"] = "masked"
    """Whether what a policy took out of requests and answers is masked in recordings, or kept in clear."""


class ConsoleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The console: pages for people, of what the gateway does and of what was recorded. A file may say `console: off`
    for `console: {enabled: false}`."""

    enabled: bool = True
    """Whether it is served."""
    host: str = "127.0.0.1"
    """The address of the console. One that others can reach needs a token."""
    port: Port = 4001
    """The port; 0 takes a free one, as is done where another program has this one."""
    token: str | None = None
    """What a visitor has to present, in the page's form or as `Authorization: Bearer ...`."""

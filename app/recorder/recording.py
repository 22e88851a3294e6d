"""One transaction as it was recorded: whose it was, what passed at both ends and when, and what became of it.

Moments are seconds since the transaction was opened, so `started_at + at` is in Unix time. Nothing in it is a key.
"""

from typing import Any, Literal

from msgspec import Struct

from telemetry.names import Outcome, Where

VERSION = 1
"""The version of the form of recordings; one of another version is refused."""
Party = Literal["client", "provider", "gateway"]
NO_CHANGE = frozenset({"failed", "failed_open", "timed_out"})
"""What is noted of a policy that neither changed nor blocked anything."""


class Piece(Struct, frozen=True, gc=False, array_like=True):
    """What came with one read of a connection, or went with one write to it."""

    at: float
    data: bytes


class Moment(Struct, frozen=True, gc=False):
    """Something that happened: a boundary event of the stream, a breaker's change, a policy's intervention."""

    at: float
    name: str
    """As telemetry calls it: `flowspan.policy.intervened`."""
    attributes: dict[str, Any] = {}


class RecordedSpan(Struct, frozen=True, gc=False):
    """A span of the transaction's trace. Ids are in hexadecimal digits."""

    name: str
    kind: Literal["server", "client", "internal"]
    span_id: str
    parent_id: str
    began: float
    ended: float
    error: str | None = None
    """What the status of a failed span says; empty where it says nothing."""
    attributes: dict[str, Any] = {}
    events: tuple[Moment, ...] = ()


class Body(Struct, frozen=True, gc=False):
    """The head and body of a request or of a whole answer. Headers that hold credentials are left out."""

    headers: tuple[tuple[str, str], ...] = ()
    """Under lower-case names, in order."""
    data: bytes = b""
    """Decompressed."""
    size: int = 0
    """Bytes of the body before any were left out for want of room."""


class TokenCounts(Struct, frozen=True, gc=False):
    """Tokens; the first five are disjoint. `estimated`: not all were counted by the provider."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False


class RecordedAttempt(Struct, frozen=True, kw_only=True, gc=False):
    """One request to a provider."""

    deployment: str
    provider: str
    model: str
    """What the provider was asked for."""
    why: str = "first"
    """`first`, or why it was made after another one, `retry`, `fallback`, `hedge` or `probe`: as the label `reason` of
    `flowspan_upstream_attempts_total`."""
    began: float
    ended: float
    method: str = "POST"
    url: str = ""
    """Without query and credentials; empty for a provider that is reached by a library, or simulated."""
    request: Body = Body()
    """As it went to the provider, where the gateway itself sends it."""
    status: int | None = None
    """The HTTP status of the answer, where there was one."""
    response_headers: tuple[tuple[str, str], ...] = ()
    api: str = ""
    """The API in which the provider answers, named as that of the client; empty where it was never asked by one."""
    answer: tuple[Piece, ...] = ()
    """The bytes of the answer's body as they were read. What a library read, or a simulated provider made up, has no
    bytes: there each piece is what came as one chunk, as chat completions have it."""
    answer_size: int = 0
    """Bytes of the answer before any were left out for want of room."""
    request_id: str | None = None
    """The provider's id of the request."""
    error_type: str | None = None
    detail: str | None = None
    closed_by: Party | None = None
    """Who ended the connection or the answer first; None for one that was complete."""
    tokens: TokenCounts | None = None
    cost_usd: float | None = None


class QueueFigures(Struct, frozen=True, gc=False):
    """What passed through one queue of the stream."""

    name: str
    capacity: int
    items_in: int
    items_out: int
    discarded: int
    depth_max: int
    put_blocked_s: float
    overflows: int


class Intervention(Struct, frozen=True, gc=False):
    """What one policy did in this transaction. `decision` is as in `flowspan.policy.decision`."""

    policy: str
    hook: str
    decision: str
    at: float
    seconds: float = 0.0
    detail: str | None = None


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """What a list shows of a recording, and what filters look at."""

    transaction_id: str
    trace_id: str
    started_at: float
    """Unix seconds."""
    duration_s: float
    api: str
    """The client's API, as in metrics: `openai_chat`, `anthropic_messages`."""
    operation: str = "chat"
    method: str = "POST"
    path: str = ""
    model: str = "other"
    provider: str = "other"
    deployment: str | None = None
    """The one that answered, or was asked last."""
    stream: bool = False
    outcome: Outcome
    status: int = 0
    """The HTTP status that the client got; 0 for none."""
    error_type: str | None = None
    key: str | None = None
    """The name of the caller's key."""
    team: str | None = None
    conversation: str | None = None
    agent: str | None = None
    parent_agent: str | None = None
    user: str | None = None
    ttft_s: float | None = None
    attempts: int = 0
    tokens: TokenCounts | None = None
    """The tokens of all attempts."""
    cost_usd: float | None = None
    intervened: bool = False
    """Whether a policy changed or blocked something."""
    cache_miss: str | None = None
    """Why the provider did not read a prompt from its cache that it had: as `flowspan.prompt_cache.cause`."""
    pinned: str | None = None
    """Why it stays when others of its age go; None where it does not."""
    title: str = ""
    """The beginning of what the user said last, on one line."""


class Recording(Struct, frozen=True, kw_only=True, gc=False):
    """A whole transaction, from its head to its end."""

    version: int = VERSION
    gateway: str = ""
    """`service.instance.id` of the gateway that recorded it, and its version."""
    entry: Entry
    detail: str | None = None
    """More of what went wrong, as the access line has it."""
    delivered: bool = False
    """Whether the client's connection took the last of the answer."""
    closed_by: Party | None = None
    """Who ended the exchange first; None for one that was answered to its end."""
    client_address: str | None = None
    user_agent: str | None = None
    time: dict[Where, float] = {}
    """The time ledger: seconds of each part."""
    request: Body
    """As the client sent it, or with masks where a policy took something out."""
    request_changed: bool = False
    """Whether a policy changed the request."""
    concealed: tuple[str, ...] = ()
    """The policies that took out what is masked here."""
    attempts: tuple[RecordedAttempt, ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()
    answer: tuple[Piece, ...] = ()
    """The bytes of the answer's body as they were written to the client."""
    answer_size: int = 0
    """Bytes of the answer before any were left out for want of room."""
    chunks_in: int = 0
    chunks_out: int = 0
    interventions: tuple[Intervention, ...] = ()
    queues: tuple[QueueFigures, ...] = ()
    moments: tuple[Moment, ...] = ()
    """In order. Events of breakers, policies and the stream's boundaries."""
    spans: tuple[RecordedSpan, ...] = ()
    access: dict[str, Any] = {}
    """The fields of the access log's line."""

"""What is recorded of requests in traces, metrics and logs, and whose they are found to be."""

from typing import Literal

from msgspec import Struct

from app.settings.units import ByteSize

CONVERSATION_FROM = (
    "header:x-claude-code-session-id",
    "header:session_id",
    "header:session-id",
    "header:conversation_id",
    "header:conversation-id",
    "header:x-session-id",
    "body:metadata.user_id/session_id",
    "body:metadata.session_id",
    "body:metadata.conversation_id",
    "body:metadata.thread_id",
    "body:conversation",
    "body:conversation.id",
    "body:client_metadata.session_id",
    "header:x-codex-turn-metadata/session_id",
    "baggage:gen_ai.conversation.id",
    "baggage:session.id",
    "previous_response",
    "body:prompt_cache_key",
    "fingerprint",
)
USER_FROM = (
    "body:metadata.user_id/device_id",
    "body:metadata.user_id",
    "body:safety_identifier",
    "body:user",
    "baggage:user.id",
    "baggage:enduser.id",
)


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is recorded and logged. Where spans go is set by the OTEL_* variables."""

    boundary_events: Literal["span", "log", "both"] = "span"
    """Where the moments of a stream are recorded: as events of spans, as log lines, or both."""
    capture_content: Literal["none", "span", "event", "both"] = "none"
    """Whether message content is recorded, scrubbed of keys, as the policies let it through: on the span of the attempt
    that answered, as an event, or both. What a policy blocked is not recorded, nor are a provider's error messages."""
    content_limit: ByteSize = ByteSize(1024**2)
    """The size of an attribute with content. Of more, the middle is left out: of the list of messages first, then of
    long texts."""
    openinference: bool = False
    """Whether spans also have the attributes of OpenInference by which Phoenix lists traces and sessions: the kind of
    the transaction's span and, with content, the last question and its answer."""
    propagate_traceparent: bool | Literal["auto"] = "auto"
    """Whether the trace context is sent to providers, in the formats of OTEL_PROPAGATORS. `auto`: to those of the
    operator's network alone, whose `api_base` is a private, loopback or link-local address, a name of one word, or one
    that ends in `.local`, `.internal` or `.localhost`."""
    spans: Literal["all", "attempts", "transaction"] = "all"
    """The spans of a transaction: its own alone, with those of its attempts at providers, or those of hooks, stages and
    queues, too. Events of spans that are left out stand on the transaction's; so do, without attempts, their tokens
    added up, and what the last one says of its response."""
    prompt_cache: bool = True
    """Whether the prompts of 4 KiB and more are compared with those before them in their conversation, to find out why
    a provider did not read one from its cache. Of each only hashes are kept, in 32 MiB of memory at most."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log lines that are written."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """How they are written to stderr: as JSON, a line each; `console`, as lines for people, a request in one line that
    fits the terminal; `auto`, for people on a terminal, and as JSON elsewhere."""
    semconv: Literal["1.41", "0.1", "both"] = "1.41"
    """Whose names spans and metrics of GenAI have: those of OpenTelemetry's conventions up to 1.41, those of the first
    release of the GenAI conventions on their own, or both while dashboards are moved."""
    created_timestamps: bool = False
    """Whether a scrape in OpenMetrics' form tells when each counter and histogram began (`_created`). Prometheus reads
    it with `--enable-feature=created-timestamp-zero-ingestion`."""
    conversation_from: tuple[str, ...] = CONVERSATION_FROM
    """Where the id of a request's conversation is taken from, the first that has one: `header:NAME`, `body:PATH`,
    `baggage:KEY`, a field within such a text (`header:NAME/FIELD`), `previous_response` (the conversation of the
    response that is continued) or `fingerprint` (a hash of how the conversation begins)."""
    user_from: tuple[str, ...] = USER_FROM
    """Where the id of the user is taken from, in the same way."""
    attributes: dict[str, str] = {}
    """Further attributes of spans and log lines, at most 16: `{tenant: "header:x-tenant"}`. Values are cut at 256
    characters and scrubbed of keys; headers that hold credentials and the texts of a conversation are refused."""

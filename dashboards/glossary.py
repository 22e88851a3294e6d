"""What spans, attributes and events mean, for the reference. Names are those of `telemetry.names`, all of them."""

from dataclasses import dataclass

from telemetry.names import TIME, Attribute, Event, Span

TRANSACTION, ATTEMPT, STAGE, HOOK, QUEUE, EVENT, LINK, ERROR = (
    "transaction",
    "attempt",
    "stage",
    "hook",
    "queue",
    "event",
    "link",
    "any that failed",
)


@dataclass(frozen=True)
class Meaning:
    """`on` says which spans bear it, `unit` is empty where there is none."""

    kind: str
    on: str
    text: str
    unit: str = ""


SPANS: dict[str, tuple[str, str]] = {
    "{method} {route}": (
        "SERVER",
        "The transaction: from the request's head to the last byte sent, ended exactly once.",
    ),
    f"{Span.POLICY} {{hook}}": ("INTERNAL", "One call of on_request or on_response; streaming hooks have no span."),
    f"{Span.STAGE} {{stage}}": ("INTERNAL", "A stage of a stream: policy_executor or client_formatter."),
    f"{{operation}} {{model}}, as in `{Span.CHAT} gpt-5`": (
        "CLIENT",
        "One attempt at a provider. A retry links to the attempt before it; usage stands here only.",
    ),
    f"{Span.QUEUE} {{queue}}": (
        "INTERNAL",
        "A queue of a stream, from the first attempt to put to the last item taken.",
    ),
}
"""By name: the kind, and what it covers."""

ATTRIBUTES: dict[str, Meaning] = {
    Attribute.HTTP_METHOD: Meaning("string", TRANSACTION, "The request's method."),
    Attribute.HTTP_ROUTE: Meaning("string", TRANSACTION, "The route as it is declared."),
    Attribute.HTTP_STATUS: Meaning(
        "int", f"{TRANSACTION}, {ATTEMPT}", "The status sent, or the provider's where it failed."
    ),
    Attribute.URL_PATH: Meaning("string", TRANSACTION, "The path that was asked for."),
    Attribute.URL_SCHEME: Meaning("string", TRANSACTION, "http or https."),
    Attribute.SERVER_ADDRESS: Meaning(
        "string", f"{TRANSACTION}, {ATTEMPT}", "The gateway's address, or the provider's."
    ),
    Attribute.SERVER_PORT: Meaning("int", f"{TRANSACTION}, {ATTEMPT}", "Its port."),
    Attribute.CLIENT_ADDRESS: Meaning("string", TRANSACTION, "The caller's address."),
    Attribute.USER_AGENT: Meaning("string", TRANSACTION, "What the caller calls itself, scrubbed and bounded."),
    Attribute.PROTOCOL_VERSION: Meaning("string", TRANSACTION, "The version of HTTP."),
    Attribute.ERROR_TYPE: Meaning("string", ERROR, "The kind of the failure, one of a bounded set."),
    Attribute.EXCEPTION_TYPE: Meaning("string", EVENT, "The class of an exception."),
    Attribute.EXCEPTION_MESSAGE: Meaning("string", EVENT, "Its message, scrubbed."),
    Attribute.EXCEPTION_STACKTRACE: Meaning("string", EVENT, "The way it came, where it was not foreseen."),
    Attribute.OPERATION: Meaning(
        "string", f"{TRANSACTION}, {ATTEMPT}", "chat, or another operation of the conventions."
    ),
    Attribute.PROVIDER: Meaning("string", f"{TRANSACTION}, {ATTEMPT}", "The provider that was asked."),
    Attribute.REQUEST_MODEL: Meaning(
        "string", f"{TRANSACTION}, {ATTEMPT}", "The model: as clients or as the provider call it."
    ),
    Attribute.REQUEST_STREAM: Meaning("bool", f"{TRANSACTION}, {ATTEMPT}", "Whether a stream was asked for."),
    Attribute.RESPONSE_ID: Meaning("string", ATTEMPT, "The provider's id of the answer."),
    Attribute.UPSTREAM_REQUEST_ID: Meaning(
        "string", ATTEMPT, "The provider's id of the request, for a question to it."
    ),
    Attribute.RESPONSE_MODEL: Meaning("string", ATTEMPT, "The model that says it answered."),
    Attribute.FINISH_REASONS: Meaning("string[]", ATTEMPT, "Why each choice ended."),
    Attribute.INVALID_CALLS: Meaning(
        "int", ATTEMPT, "Calls of tools whose arguments are no JSON object; they are passed on as the model wrote them."
    ),
    Attribute.TIME_TO_FIRST_CHUNK: Meaning("double", ATTEMPT, "From the start of the attempt to the first chunk.", "s"),
    Attribute.INPUT_TOKENS: Meaning("int", ATTEMPT, "Tokens of the prompt.", "tokens"),
    Attribute.OUTPUT_TOKENS: Meaning("int", ATTEMPT, "Tokens of the answer.", "tokens"),
    Attribute.CACHE_READ_TOKENS: Meaning("int", ATTEMPT, "Of the prompt, those read from a cache.", "tokens"),
    Attribute.CACHE_CREATION_TOKENS: Meaning("int", ATTEMPT, "Of the prompt, those written into a cache.", "tokens"),
    Attribute.REASONING_TOKENS: Meaning("int", ATTEMPT, "Of the answer, those of reasoning.", "tokens"),
    Attribute.SYSTEM_INSTRUCTIONS: Meaning(
        "string", f"{TRANSACTION}, {ATTEMPT}", "By opt-in: the system prompt, as JSON."
    ),
    Attribute.INPUT_MESSAGES: Meaning("string", f"{TRANSACTION}, {ATTEMPT}", "By opt-in: what was asked, as JSON."),
    Attribute.OUTPUT_MESSAGES: Meaning("string", f"{TRANSACTION}, {ATTEMPT}", "By opt-in: what was answered, as JSON."),
    Attribute.TOOL_DEFINITIONS: Meaning("string", f"{TRANSACTION}, {ATTEMPT}", "By opt-in: the tools, as JSON."),
    Attribute.TRANSACTION_ID: Meaning("string", TRANSACTION, "What the response's `x-request-id` says."),
    Attribute.API: Meaning("string", TRANSACTION, "The dialect that the client speaks."),
    Attribute.POLICY: Meaning(
        "string[]", f"{TRANSACTION}, {HOOK}, {EVENT}", "The policies of the chain, or the one at work."
    ),
    Attribute.HOOK: Meaning("string", f"{HOOK}, {EVENT}", "The hook that was called."),
    Attribute.DECISION: Meaning("string", EVENT, "What a policy says it did."),
    Attribute.STAGE: Meaning("string", STAGE, "policy_executor or client_formatter."),
    Attribute.DEPLOYMENT: Meaning("string", ATTEMPT, "The deployment's id, which its breaker bears too."),
    Attribute.OUTCOME: Meaning("string", TRANSACTION, "How it ended: exactly one of the outcomes."),
    Attribute.DETAIL: Meaning("string", f"{TRANSACTION}, {ATTEMPT}", "What went wrong, in words, scrubbed."),
    Attribute.TTFT: Meaning(
        "double", TRANSACTION, "From the request's head to the first piece of the answer sent.", "s"
    ),
    Attribute.OVERHEAD: Meaning("double", TRANSACTION, "Time that the gateway itself took.", "s"),
    Attribute.CHUNKS_IN: Meaning("int", TRANSACTION, "Chunks that came from providers."),
    Attribute.CHUNKS_OUT: Meaning("int", TRANSACTION, "Chunks that came out of the policies."),
    Attribute.COST: Meaning("double", f"{TRANSACTION}, {ATTEMPT}", "For models whose price is configured.", "USD"),
    Attribute.CLIENT_DISCONNECTED: Meaning("bool", TRANSACTION, "Whether the client left before the end."),
    Attribute.CONTENT_TRUNCATED: Meaning(
        "bool", f"{TRANSACTION}, {ATTEMPT}", "Whether captured content was cut to its limit."
    ),
    Attribute.BREAKER: Meaning("string", EVENT, "The breaker: `queue:` and the queue's name, or a deployment's id."),
    Attribute.FROM_STATE: Meaning("string", EVENT, "The state it left."),
    Attribute.TO_STATE: Meaning("string", EVENT, "The state it entered."),
    Attribute.REASON: Meaning("string", EVENT, "Why it changed."),
    Attribute.LINK: Meaning("string", LINK, "retry_of or breaker_trip."),
    Attribute.QUEUE_NAME: Meaning("string", f"{QUEUE}, {EVENT}", "policy_out or sse."),
    Attribute.QUEUE_CAPACITY: Meaning("int", f"{QUEUE}, {EVENT}", "Items that it holds.", "items"),
    Attribute.QUEUE_ITEMS_IN: Meaning("int", QUEUE, "Items that were put in.", "items"),
    Attribute.QUEUE_ITEMS_OUT: Meaning("int", QUEUE, "Items that left it, the discarded ones too.", "items"),
    Attribute.QUEUE_DEPTH_MAX: Meaning("int", QUEUE, "The greatest depth.", "items"),
    Attribute.QUEUE_BYTES_MAX: Meaning("int", QUEUE, "The most that it held.", "bytes"),
    Attribute.QUEUE_OVERFLOWS: Meaning("int", QUEUE, "1 where the stream ended for want of room."),
    Attribute.QUEUE_PUT_BLOCKED: Meaning("double", QUEUE, "How long its writer waited for room.", "s"),
    Attribute.QUEUE_GET_WAIT: Meaning("double", QUEUE, "How long its reader waited for items.", "s"),
    Attribute.QUEUE_RESIDENCE_P50: Meaning("double", QUEUE, "How long half of the items waited at most.", "s"),
    Attribute.QUEUE_RESIDENCE_P99: Meaning("double", QUEUE, "How long 99 % of the items waited at most.", "s"),
    Attribute.QUEUE_DISCARDED: Meaning("int", QUEUE, "Items that nobody wanted any more.", "items"),
    Attribute.QUEUE_PERCENT: Meaning("int", EVENT, "The mark that was reached: 50, 80 or 100.", "%"),
    Attribute.QUEUE_DEPTH: Meaning("int", EVENT, "The depth at that moment.", "items"),
    Attribute.QUEUE_BYTES: Meaning("int", EVENT, "The bytes held at that moment.", "bytes"),
    **{
        name: Meaning("double", TRANSACTION, f"The time ledger: spent on {where}.", "s") for where, name in TIME.items()
    },
}

EVENTS: dict[str, str] = {
    Event.REQUEST_RECEIVED: "The request's body is read and understood.",
    Event.REQUEST_SENT: "An attempt at a provider began.",
    Event.UPSTREAM_FIRST_CHUNK: "The provider's first chunk is there.",
    Event.POLICY_DECISION: "A policy said what it did, or failed open.",
    Event.QUEUE_HIGH_WATER: "A queue reached 50, 80 or 100 % of its capacity, once each.",
    Event.BREAKER_STATE_CHANGE: "A breaker changed its state on account of this transaction.",
    Event.CLIENT_FIRST_BYTE: "The first byte of the answer went to the client.",
    Event.CLIENT_DISCONNECTED: "The client left.",
    Event.RESPONSE_COMPLETED: "The transaction ended, well or not.",
    Event.EXCEPTION: "Something was raised.",
    Event.CONTENT: "By opt-in: what was asked and answered, redacted and bounded.",
}

"""Spans and their attributes: each name with its meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from telemetry.names import WHERE, Where

Value = str | bool | int | float | Sequence[str]
"""What an attribute may hold."""
AttributeType = Literal["string", "string[]", "int", "double", "bool"]

ON_TRANSACTION, ON_ATTEMPT, ON_STAGE, ON_HOOK, ON_QUEUE = "transaction", "attempt", "stage", "hook", "queue"
ON_ADMISSION = "admission"
"""Spans that bear an attribute."""
ON_EVENT, ON_LINK, ON_FAILED = "event", "link", "any that failed"
"""What else bears one."""
ON_OTHER_ROUTES = "list of models, unknown paths"
"""Spans that are no transaction's."""
ON_BOTH = f"{ON_TRANSACTION}, {ON_ATTEMPT}"


@dataclass(frozen=True)
class AttributeSpec:
    """The declaration of an attribute. `on` names the spans that bear it, `unit` is empty where there is none."""

    kind: AttributeType
    on: str
    text: str
    unit: str


ATTRIBUTES: dict[str, AttributeSpec] = {}
"""Every attribute, by its name."""


def attribute(name: str, kind: AttributeType, on: str, text: str, *, unit: str = "") -> str:
    """Declare an attribute. Returns its name, a plain string, as it is looked up in each span."""
    ATTRIBUTES[name] = AttributeSpec(kind, on, text, unit)
    return name


SpanChoice = Literal["all", "attempts", "transaction"]
"""Which spans of a transaction are exported."""


class Span:
    """Names of spans; the transaction's own is `{method} {route}`."""

    CHAT = "chat"
    POLICY = "flowspan.policy"
    STAGE = "flowspan.stage"
    QUEUE = "flowspan.queue"
    ADMISSION = "flowspan.admission"


SPANS: dict[str, tuple[str, str]] = {
    "{method} {route}": (
        "SERVER",
        "The transaction: from the request's head to the last byte sent, ended exactly once.",
    ),
    f"{Span.POLICY} {{hook}}": ("INTERNAL", "One call of on_request or on_response; streaming hooks have no span."),
    f"{Span.STAGE} {{stage}}": ("INTERNAL", "A stage of a stream: policy_executor or client_formatter."),
    "{operation} {model}": (
        "CLIENT",
        f"An attempt at a provider, as in `{Span.CHAT} gpt-5`. A retry links to the one before; usage is here only.",
    ),
    f"{Span.QUEUE} {{queue}}": (
        "INTERNAL",
        "A queue of a stream, from the first attempt to put to the last item taken.",
    ),
    f"{Span.ADMISSION} {{deployment}}": ("INTERNAL", "The wait for a deployment that had as much to do as it may."),
}
"""The kind of each span and what it covers, by its name."""


class Attribute:
    HTTP_METHOD = attribute("http.request.method", "string", ON_TRANSACTION, "The request's method.")
    HTTP_ROUTE = attribute("http.route", "string", ON_TRANSACTION, "The route as it is declared.")
    HTTP_STATUS = attribute(
        "http.response.status_code",
        "int",
        ON_BOTH,
        "The status sent, or the provider's where it failed.",
    )
    URL_PATH = attribute("url.path", "string", ON_TRANSACTION, "The route again: a path may hold an id.")
    URL_SCHEME = attribute("url.scheme", "string", ON_TRANSACTION, "http or https.")
    SERVER_ADDRESS = attribute("server.address", "string", ON_BOTH, "The gateway's address, or the provider's.")
    SERVER_PORT = attribute("server.port", "int", ON_BOTH, "Its port.")
    PEER_ADDRESS = attribute(
        "network.peer.address",
        "string",
        ON_ATTEMPT,
        "The address in numbers of the proxy that the provider was asked by; none where there was no proxy.",
    )
    PEER_PORT = attribute("network.peer.port", "int", ON_ATTEMPT, "Its port.")
    CLIENT_ADDRESS = attribute("client.address", "string", ON_TRANSACTION, "The caller's address.")
    CLIENT_SUBJECT = attribute(
        "tls.client.subject", "string", ON_TRANSACTION, "Whom the certificate names that the caller has shown."
    )
    USER_AGENT = attribute(
        "user_agent.original", "string", ON_TRANSACTION, "The programs and versions that the caller names."
    )
    CLIENT_RETRY = attribute(
        "http.request.resend_count",
        "int",
        ON_TRANSACTION,
        "How often the caller had sent the same request before, as it says itself; none for a first try.",
    )
    PROTOCOL_VERSION = attribute("network.protocol.version", "string", ON_TRANSACTION, "The version of HTTP.")
    ERROR_TYPE = attribute("error.type", "string", ON_FAILED, "The kind of the failure, one of a bounded set.")
    EXCEPTION_TYPE = attribute(
        "exception.type", "string", ON_EVENT, "The class of an exception. There is no message: it may quote content."
    )
    EXCEPTION_STACKTRACE = attribute(
        "exception.stacktrace", "string", ON_EVENT, "The way it came, where it was not foreseen."
    )

    OPERATION = attribute(
        "gen_ai.operation.name", "string", ON_ATTEMPT, "chat, or another operation of the conventions."
    )
    PROVIDER = attribute("gen_ai.provider.name", "string", ON_BOTH, "The provider that was asked.")
    REQUEST_MODEL = attribute("gen_ai.request.model", "string", ON_ATTEMPT, "The model, as the provider calls it.")
    REQUEST_STREAM = attribute("gen_ai.request.stream", "bool", ON_ATTEMPT, "Whether a stream was asked for.")
    CONFIG_GENERATION = attribute(
        "flowspan.config.generation",
        "int",
        ON_TRANSACTION,
        "Counts the configurations of the process: 1 is that of its start, and each reload that changes something adds "
        "1.",
    )
    TRANSACTION_OPERATION = attribute(
        "flowspan.operation",
        "string",
        ON_TRANSACTION,
        "chat, or another operation. Under the conventions' name the transaction would count as one more model call.",
    )
    TRANSACTION_MODEL = attribute(
        "flowspan.model",
        "string",
        ON_TRANSACTION,
        "The model, as clients call it; `other` if it is not configured.",
    )
    TRANSACTION_STREAM = attribute("flowspan.stream", "bool", ON_TRANSACTION, "Whether the client asked for a stream.")
    RESPONSE_ID = attribute("gen_ai.response.id", "string", ON_ATTEMPT, "The provider's id of the answer.")
    UPSTREAM_REQUEST_ID = attribute(
        "flowspan.upstream.request_id", "string", ON_ATTEMPT, "The provider's id of the request, for a question to it."
    )
    RESPONSE_MODEL = attribute("gen_ai.response.model", "string", ON_ATTEMPT, "The model that says it answered.")
    FINISH_REASONS = attribute("gen_ai.response.finish_reasons", "string[]", ON_ATTEMPT, "Why each choice ended.")
    INVALID_CALLS = attribute(
        "flowspan.invalid_tool_calls",
        "int",
        ON_ATTEMPT,
        "Calls of tools whose arguments are no JSON object; they are passed on as the model wrote them.",
    )
    LEFT_OUT_TOOLS = attribute(
        "flowspan.left_out_tools",
        "string[]",
        ON_ATTEMPT,
        "Tools that a provider of the client's API would run itself, and of which this one was not told.",
    )
    TIME_TO_FIRST_CHUNK = attribute(
        "gen_ai.response.time_to_first_chunk",
        "double",
        ON_ATTEMPT,
        "From the start of the attempt to the first chunk.",
        unit="s",
    )
    TIME_TO_FIRST_TOKEN = attribute(
        "flowspan.upstream.time_to_first_token_s",
        "double",
        ON_ATTEMPT,
        "From the start of the attempt to the first piece of the answer, where chunks without one came before it.",
        unit="s",
    )
    FAILOVER_PHASE = attribute(
        "flowspan.failover.phase",
        "string",
        ON_EVENT,
        "How far the attempt had come: before_first_chunk or before_first_token.",
    )
    INPUT_TOKENS = attribute("gen_ai.usage.input_tokens", "int", ON_ATTEMPT, "Tokens of the prompt.", unit="tokens")
    OUTPUT_TOKENS = attribute("gen_ai.usage.output_tokens", "int", ON_ATTEMPT, "Tokens of the answer.", unit="tokens")
    CACHE_READ_TOKENS = attribute(
        "gen_ai.usage.cache_read.input_tokens",
        "int",
        ON_ATTEMPT,
        "Of the prompt, those read from a cache.",
        unit="tokens",
    )
    CACHE_CREATION_TOKENS = attribute(
        "gen_ai.usage.cache_creation.input_tokens",
        "int",
        ON_ATTEMPT,
        "Of the prompt, those written into a cache; not with the names of 0.1 alone.",
        unit="tokens",
    )
    CACHE_WRITE_TOKENS = attribute(
        "gen_ai.usage.cache_write.input_tokens",
        "int",
        ON_ATTEMPT,
        "Of the prompt, those written into a cache; with the names of 0.1.",
        unit="tokens",
    )
    REASONING_TOKENS = attribute(
        "gen_ai.usage.reasoning.output_tokens", "int", ON_ATTEMPT, "Of the answer, those of reasoning.", unit="tokens"
    )
    USAGE_ESTIMATED = attribute(
        "flowspan.usage.estimated",
        "bool",
        ON_ATTEMPT,
        "Some of its tokens are an estimate, because the provider did not count them.",
    )
    CACHE_READ_RATIO = attribute(
        "flowspan.cache.read_ratio", "double", ON_ATTEMPT, "The part of the prompt, 0 to 1, that was read from a cache."
    )
    CACHE_MISS_CAUSE = attribute(
        "flowspan.cache.miss.cause",
        "string",
        f"{ON_ATTEMPT}, {ON_EVENT}",
        "A warm cache was not read: for which change.",
    )
    CACHE_MISS_BY = attribute(
        "flowspan.cache.miss.by",
        "string",
        f"{ON_ATTEMPT}, {ON_EVENT}",
        "Who made it: client, policy, translation, deployment, time or provider.",
    )
    CACHE_MISS_BLOCK = attribute(
        "flowspan.cache.miss.block",
        "string",
        f"{ON_ATTEMPT}, {ON_EVENT}",
        "The first block of the prompt that changed, as in `tools[3]`, `system[0]` or `messages[2]`.",
    )
    CACHE_MISS_LOST_TOKENS = attribute(
        "flowspan.cache.miss.lost_tokens",
        "int",
        f"{ON_ATTEMPT}, {ON_EVENT}",
        "Tokens that were paid for in full though they had been in a cache.",
        unit="tokens",
    )
    CACHE_MISS_COST = attribute(
        "flowspan.cache.miss.cost_usd",
        "double",
        f"{ON_ATTEMPT}, {ON_EVENT}",
        "What that cost beyond the price of reading them, where the prices are known.",
        unit="USD",
    )
    RECORDING_PINNED = attribute(
        "flowspan.recording.pinned",
        "string",
        f"{ON_TRANSACTION}, {ON_EVENT}",
        "Its recording, and those of transactions before it, stay when others of their age go: why.",
    )
    SYSTEM_INSTRUCTIONS = attribute(
        "gen_ai.system_instructions", "string", ON_BOTH, "By opt-in: the system prompt where it stands apart, as JSON."
    )
    INPUT_MESSAGES = attribute("gen_ai.input.messages", "string", ON_BOTH, "By opt-in: what was asked, as JSON.")
    OUTPUT_MESSAGES = attribute("gen_ai.output.messages", "string", ON_BOTH, "By opt-in: what was answered, as JSON.")
    TOOL_DEFINITIONS = attribute("gen_ai.tool.definitions", "string", ON_BOTH, "By opt-in: the tools, as JSON.")
    INPUT_VALUE = attribute(
        "input.value", "string", ON_BOTH, "With `openinference`, by opt-in: the last text of the user."
    )
    OUTPUT_VALUE = attribute(
        "output.value", "string", ON_BOTH, "With `openinference`, by opt-in: the text of the answer, or its calls."
    )
    OUTPUT_TYPE = attribute(
        "output.mime_type", "string", ON_BOTH, "With `openinference`: application/json where the answer is calls alone."
    )
    SPAN_KIND = attribute(
        "openinference.span.kind", "string", ON_TRANSACTION, "With `openinference`: CHAIN, as the attempt is the LLM."
    )

    CONVERSATION = attribute(
        "gen_ai.conversation.id", "string", ON_BOTH, "The conversation: its id, or a hash of how it begins (`fp_...`)."
    )
    SESSION = attribute("session.id", "string", ON_BOTH, "The conversation again, under the name that UIs group by.")
    AGENT = attribute("gen_ai.agent.id", "string", ON_BOTH, "The agent that asks, as it says itself.")
    PARENT_AGENT = attribute("flowspan.agent.parent_id", "string", ON_BOTH, "The agent that it works for.")
    USER = attribute("user.id", "string", ON_BOTH, "The user, as the client names one.")
    ACCOUNT = attribute("flowspan.account.id", "string", ON_TRANSACTION, "The user's account with a provider.")
    CLIENT_REQUEST = attribute(
        "flowspan.client_request_id", "string", ON_TRANSACTION, "The client's own id of the request."
    )
    PREVIOUS_RESPONSE = attribute(
        "gen_ai.request.previous_response.id", "string", ON_TRANSACTION, "The response that the request goes on from."
    )
    ASKED_MODEL = attribute(
        "flowspan.asked_model",
        "string",
        ON_TRANSACTION,
        "The model as the client named it, where that is an alias, stands for a wildcard, or is unknown.",
    )

    TRANSACTION_ID = attribute(
        "flowspan.transaction_id", "string", ON_TRANSACTION, "What the response's `x-request-id` says."
    )
    KEY_NAME = attribute("flowspan.key.name", "string", ON_TRANSACTION, "The name of the caller's key, never the key.")
    KEY_TEAM = attribute("flowspan.key.team", "string", ON_TRANSACTION, "The team of the caller's key.")
    KEY_LABEL = attribute(
        "flowspan.key.label.{name}", "string", ON_TRANSACTION, "A label that the operator gave the caller's key."
    )
    LIMIT = attribute(
        "flowspan.limit",
        "string",
        f"{ON_TRANSACTION}, {ON_EVENT}",
        "The limit of the caller's key or team that turned it away, or the budget that a share was passed of.",
    )
    LIMIT_SCOPE = attribute(
        "flowspan.limit.scope", "string", f"{ON_TRANSACTION}, {ON_EVENT}", "Whose limit it is: key or team."
    )
    BUDGET_SHARE = attribute("flowspan.budget.share", "double", ON_EVENT, "The share of a budget that was passed.")
    REQUEST_ID = attribute(
        "flowspan.request_id",
        "string",
        ON_OTHER_ROUTES,
        "What the response's `x-request-id` says, where the request is no transaction.",
    )
    API = attribute("flowspan.api", "string", ON_TRANSACTION, "The dialect that the client speaks.")
    POLICY = attribute(
        "flowspan.policy",
        "string[]",
        f"{ON_TRANSACTION}, {ON_HOOK}, {ON_EVENT}",
        "The policies of the chain, or the one at work.",
    )
    HOOK = attribute("flowspan.hook", "string", f"{ON_HOOK}, {ON_EVENT}", "The hook that was called.")
    DECISION = attribute("flowspan.decision", "string", ON_EVENT, "What a policy says it did.")
    STAGE = attribute("flowspan.stage", "string", ON_STAGE, "policy_executor or client_formatter.")
    DEPLOYMENT = attribute(
        "flowspan.deployment",
        "string",
        f"{ON_ATTEMPT}, {ON_EVENT}",
        "The deployment's id, which its breaker bears too.",
    )
    OUTCOME = attribute("flowspan.outcome", "string", ON_TRANSACTION, "How it ended: exactly one of the outcomes.")
    DETAIL = attribute("flowspan.detail", "string", ON_BOTH, "What went wrong, in words, scrubbed.")
    TTFT = attribute(
        "flowspan.ttft_s",
        "double",
        ON_TRANSACTION,
        "From the request's head to the first piece of the answer sent.",
        unit="s",
    )
    OVERHEAD = attribute(
        "flowspan.overhead_s", "double", ON_TRANSACTION, "Time that the gateway itself took.", unit="s"
    )
    CHUNKS_IN = attribute("flowspan.chunks_in", "int", ON_TRANSACTION, "Chunks that came from providers.")
    CHUNKS_OUT = attribute("flowspan.chunks_out", "int", ON_TRANSACTION, "Chunks that came out of the policies.")
    COST = attribute("flowspan.cost_usd", "double", ON_BOTH, "For models whose price is known.", unit="USD")
    RETRY_DENIED = attribute(
        "flowspan.retry_denied",
        "bool",
        ON_TRANSACTION,
        "A retry was not made, for the budget of its model was used up.",
    )
    CLIENT_DISCONNECTED = attribute(
        "flowspan.client_disconnected", "bool", ON_TRANSACTION, "Whether the client left before the end."
    )
    CONTENT_TRUNCATED = attribute(
        "flowspan.content_truncated",
        "bool",
        ON_BOTH,
        "Whether captured content was cut to its limit.",
    )
    BREAKER = attribute(
        "flowspan.breaker", "string", ON_EVENT, "The breaker: `queue:` and the queue's name, or a deployment's id."
    )
    FROM_STATE = attribute("flowspan.from_state", "string", ON_EVENT, "The state it left.")
    TO_STATE = attribute("flowspan.to_state", "string", ON_EVENT, "The state it entered.")
    REASON = attribute("flowspan.reason", "string", ON_EVENT, "Why it changed.")
    LINK = attribute("flowspan.link", "string", ON_LINK, "retry_of, hedge_of or breaker_trip.")
    ADMISSION_DEPLOYMENT = attribute(
        "flowspan.admission.deployment",
        "string",
        f"{ON_ADMISSION}, {ON_EVENT}",
        "The deployment that was waited for first, under which metrics book the wait.",
    )
    ADMISSION_ADMITTED_TO = attribute(
        "flowspan.admission.admitted_to", "string", ON_ADMISSION, "The deployment that had room."
    )
    ADMISSION_RESULT = attribute(
        "flowspan.admission.result", "string", ON_ADMISSION, "How the wait ended: admitted, refused or left."
    )
    ADMISSION_REASON = attribute("flowspan.admission.reason", "string", ON_EVENT, "Why it was refused.")
    ADMISSION_DEPTH = attribute(
        "flowspan.admission.depth",
        "int",
        f"{ON_ADMISSION}, {ON_EVENT}",
        "How many waited when the wait began, itself among them.",
        unit="requests",
    )
    ADMISSION_WAIT = attribute("flowspan.admission.wait_s", "double", ON_ADMISSION, "How long it waited.", unit="s")
    QUEUE_NAME = attribute("flowspan.queue.name", "string", f"{ON_QUEUE}, {ON_EVENT}", "policy_out or sse.")
    QUEUE_CAPACITY = attribute(
        "flowspan.queue.capacity", "int", f"{ON_QUEUE}, {ON_EVENT}", "Items that it holds.", unit="items"
    )
    QUEUE_ITEMS_IN = attribute("flowspan.queue.items_in", "int", ON_QUEUE, "Items that were put in.", unit="items")
    QUEUE_ITEMS_OUT = attribute(
        "flowspan.queue.items_out", "int", ON_QUEUE, "Items that left it, the discarded ones too.", unit="items"
    )
    QUEUE_DEPTH_MAX = attribute("flowspan.queue.depth_max", "int", ON_QUEUE, "The greatest depth.", unit="items")
    QUEUE_BYTES_MAX = attribute("flowspan.queue.bytes_max", "int", ON_QUEUE, "The most that it held.", unit="bytes")
    QUEUE_OVERFLOWS = attribute(
        "flowspan.queue.overflows", "int", ON_QUEUE, "1 where the stream ended for want of room."
    )
    QUEUE_PUT_BLOCKED = attribute(
        "flowspan.queue.put_blocked_s", "double", ON_QUEUE, "How long its writer waited for room.", unit="s"
    )
    QUEUE_GET_WAIT = attribute(
        "flowspan.queue.get_wait_s", "double", ON_QUEUE, "How long its reader waited for items.", unit="s"
    )
    QUEUE_RESIDENCE_P50 = attribute(
        "flowspan.queue.residence_p50_s", "double", ON_QUEUE, "How long half of the items waited at most.", unit="s"
    )
    QUEUE_RESIDENCE_P99 = attribute(
        "flowspan.queue.residence_p99_s", "double", ON_QUEUE, "How long 99 % of the items waited at most.", unit="s"
    )
    QUEUE_DISCARDED = attribute(
        "flowspan.queue.discarded", "int", ON_QUEUE, "Items that nobody wanted any more.", unit="items"
    )
    QUEUE_PERCENT = attribute(
        "flowspan.queue.percent", "int", ON_EVENT, "The mark that was reached: 50, 80 or 100.", unit="%"
    )
    QUEUE_DEPTH = attribute("flowspan.queue.depth", "int", ON_EVENT, "The depth at that moment.", unit="items")
    QUEUE_BYTES = attribute("flowspan.queue.bytes", "int", ON_EVENT, "The bytes held at that moment.", unit="bytes")


TIME: dict[Where, str] = {
    where: attribute(
        f"flowspan.time.{where}_s", "double", ON_TRANSACTION, f"The time ledger: spent on {where}.", unit="s"
    )
    for where in WHERE
}
"""The attributes of the time ledger."""

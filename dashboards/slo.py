"""The objective, and which outcomes break it. The rule files spell it out; a test holds them to this."""

from telemetry.names import NOT_A_FAULT, OUTCOMES

OBJECTIVE = 0.995
"""The share of all requests that is to go well, over 30 days."""

BUDGET = round(1 - OBJECTIVE, 6)
"""The share of requests that may fail."""

BURNS_FAST = 14.4
"""A rate of failure, in multiples of the budget, at which an hour takes 2 % of what 30 days allow."""

FAILED = tuple(outcome for outcome in OUTCOMES if outcome not in NOT_A_FAULT | {"client_disconnect"})
"""Outcomes that break the objective: every fault but a client that left."""

BAD = "|".join(FAILED)
"""The bad outcomes as a regular expression of PromQL and LogQL."""

ANSWERED = "ok|policy_blocked"
"""Outcomes of requests that an answer came back for."""

UPSTREAM_FAILURES = "error|timeout|unauthorized"
"""How attempts end that their provider fails. What it refuses and what nobody waited for is no failure of it, and too
many requests are another matter."""

UNDELIVERED = "failed|cut"
"""What became of streams that broke the objective of delivery, which is the same share of those that began. A client
that leaves by itself counts for neither side."""

LEFT, DELIVERY_LEFT = "flowspan:error_budget:remaining30d", "flowspan:delivery_budget:remaining30d"
"""Recorded series: what is left of both budgets, as a share of all that 30 days allow."""

CLIENT_ERRORS = (
    "authentication",
    "content_refused",
    "context_overflow",
    "invalid_request",
    "method_not_allowed",
    "model_not_allowed",
    "model_not_found",
    "permission",
    "request_timeout",
    "request_tokens_exceeded",
    "request_too_large",
    "unknown_model",
    "unknown_response",
    "unknown_route",
    "unsupported_encoding",
    "upstream_rejected",
)
"""Kinds of errors that end a request as `client_error`; a test holds them to the gateway's errors."""

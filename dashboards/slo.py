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

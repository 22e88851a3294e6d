"""The objective, and which outcomes break it. The rule files spell it out; a test holds them to this."""

from telemetry.names import NOT_A_FAULT, OUTCOMES

OBJECTIVE = 0.995
"""Of all requests, over 30 days."""

BUDGET = round(1 - OBJECTIVE, 6)
"""The share of requests that may fail."""

BURNS_FAST = 14.4
"""Times the budget: at this rate an hour takes 2 % of what 30 days allow."""

FAILED = tuple(outcome for outcome in OUTCOMES if outcome not in NOT_A_FAULT | {"client_disconnect"})
"""A client that leaves has had no failure of ours; everything else that is a fault breaks the promise."""

BAD = "|".join(FAILED)
"""As a regular expression of PromQL and LogQL."""

"""The objective: which outcomes break it. The rule files spell it out; a test holds them to this."""

from telemetry.names import NOT_A_FAULT, OUTCOMES

OBJECTIVE = 0.995
"""Of all requests, over 30 days."""

FAILED = tuple(outcome for outcome in OUTCOMES if outcome not in NOT_A_FAULT | {"client_disconnect"})
"""A client that leaves has had no failure of ours; everything else that is a fault breaks the promise."""

BAD = "|".join(FAILED)
"""As a regular expression of PromQL and LogQL."""

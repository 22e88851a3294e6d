"""The policy `redact`: sensitive text is found by patterns and replaced, in requests and answers, streamed or whole.

policy ............ the hooks, and what belongs to one response
slice_scheduler ... large texts, searched in slices by turns
held_events ....... which events of a stream go on as they came
stream_redactor ... text in pieces -> redacted text; json_redactor does it for JSON in pieces
patterns .......... what can be looked for: a name and its scanners
scanner ........... what every scanner answers; email_addresses, phone_and_card_numbers, secret_keys: the built-in ones
"""

from app.policies.builtin.redact.policy import Redact

__all__ = ["Redact"]

"""Limits and budgets of keys and teams, kept by reservation.

A request is admitted before its body is read, which counts it and its stream. Before a provider is asked it reserves
the tokens and dollars that it may come to, and at its end, whatever that is, the truth takes their place. So requests
that come at once cannot all see the same room: what is used and what is reserved never exceed a limit together, but
for what requests exceeded their own estimates by.

    quotas = Quotas(rules_of(settings), settings.quotas)
    await quotas.start()
    admitted = await quotas.admit(caller)
    if isinstance(admitted, Denial):
        ...
    denial = await admitted.reserve(Need(tokens=1_200, usd=0.03))
    ...
    admitted.commit(tokens=800, usd=0.02)

- `rules`: what is counted, as the configuration has it; pure.
- `table`: the numbers, in memory that all processes of the gateway share, and what is done with them in one step.
  `meters` are its rows.
- `times`: the time that all of it goes by, and `periods` those of the calendar; what a clock that jumps does to them.
"""

from app.quotas.engine import Quotas, Reservation
from app.quotas.rules import Rules, rules_of
from app.quotas.table import TooManyLimits
from app.quotas.values import Crossed, Denial, LimitUsage, Need, Remaining, StateFigures, StateLost, StateUnreachable

__all__ = [
    "Crossed",
    "Denial",
    "LimitUsage",
    "Need",
    "Quotas",
    "Remaining",
    "Reservation",
    "Rules",
    "StateFigures",
    "StateLost",
    "StateUnreachable",
    "TooManyLimits",
    "rules_of",
]

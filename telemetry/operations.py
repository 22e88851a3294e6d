"""What an operator does to a running gateway, as telemetry has it: no transaction is the reason for it."""

import logging

from telemetry.guard import guarded
from telemetry.live.moments import BreakerChanged, BudgetPassed
from telemetry.logs.records import log_fields
from telemetry.names import QuotaLimit, QuotaScope
from telemetry.transaction.quotas import report_passed
from telemetry.transaction.services import Services

_log = logging.getLogger("flowspan.breaker")


class Operations:
    """Tells of what acts changed."""

    def __init__(self, services: Services) -> None:
        self.defects = services.defects
        self._services = services

    @guarded
    def breaker_changed(self, breaker: str, from_state: str, to_state: str, reason: str, actor: str) -> None:
        """A breaker changed its state on an operator's word."""
        self._services.metrics.breakers.transition(breaker, from_state, to_state, reason)
        # Whoever is turned away from now on is so by nobody's request.
        self._services.trips.pop(breaker, None)
        fields = {"breaker": breaker, "from_state": from_state, "to_state": to_state, "reason": reason, "actor": actor}
        _log.warning("breaker %s: %s by an operator", breaker, to_state, extra=log_fields(None, fields))
        self._services.live.moments.add(
            BreakerChanged(
                at=self._services.wall_ns() / 1e9,
                transaction_id="",
                breaker=breaker,
                from_state=from_state,
                to_state=to_state,
                reason=reason,
            )
        )

    @guarded
    def budget_passed(
        self, scope: QuotaScope, holder: str, limit: QuotaLimit, share: float, used: float, most: float
    ) -> None:
        """A share of a budget was passed, and no transaction is known that did it: others spend it, too."""
        at = self._services.wall_ns() / 1e9
        moment = BudgetPassed(
            at=at,
            transaction_id="",
            scope=scope,
            holder=holder,
            limit=limit,
            share=share,
            used_usd=used,
            budget_usd=most,
        )
        report_passed(moment, self._services.live.moments)

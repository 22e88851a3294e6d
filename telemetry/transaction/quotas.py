"""Limits of a transaction's key and team: the one that turned it away, and budgets of which it passed a share."""

import logging

from telemetry.guard import guarded
from telemetry.live.moments import BudgetPassed
from telemetry.logs.records import log_fields
from telemetry.metrics.quotas import LimitedKey
from telemetry.names import QuotaLimit, QuotaScope
from telemetry.names.events import Event
from telemetry.names.spans import Attribute
from telemetry.transaction.ending import Description
from telemetry.transaction.services import Services
from telemetry.transaction.trace import TransactionTrace

_log = logging.getLogger("flowspan.budget")


class QuotaTelemetry:
    def __init__(self, services: Services, trace: TransactionTrace, about: Description) -> None:
        self.defects = services.defects
        self._metrics = services.metrics.quotas
        self._trace = trace
        self._about = about

    @guarded
    def refused(self, scope: QuotaScope, limit: QuotaLimit) -> None:
        """A limit of the transaction's key, or of its team, turned it away."""
        identity = self._about.key.identity
        self._metrics.refused(LimitedKey(identity.name, identity.team, scope, limit))
        self._about.limit = limit
        self._trace.span.set({Attribute.LIMIT: limit, Attribute.LIMIT_SCOPE: scope})

    @guarded
    def passed(self, scope: QuotaScope, holder: str, limit: QuotaLimit, share: float, used: float, most: float) -> None:
        """Note that the transaction passed a `share` of a budget; `used` and `most` are US dollars."""
        level = logging.WARNING
        fields = {"scope": scope, "holder": holder, "limit": limit, "share": share, "used_usd": round(used, 6)}
        text = "%s %s has spent %.0f %% of its %s of %.2f USD"
        words = (scope, holder, 100 * used / most, limit.replace("_", " by the "), most)
        _log.log(level, text, *words, extra=log_fields(self._trace.context, {**fields, "budget_usd": most}))
        self._trace.event(
            Event.BUDGET_PASSED, {Attribute.LIMIT: limit, Attribute.LIMIT_SCOPE: scope, Attribute.BUDGET_SHARE: share}
        )
        at, id = self._trace.timeline.unix_seconds(), self._trace.transaction_id
        self._trace.moments.add(
            BudgetPassed(at=at, transaction_id=id, scope=scope, holder=holder, limit=limit, share=used / most)
        )

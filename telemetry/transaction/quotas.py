"""Limits of a transaction's key and team: the one that turned it away, and budgets of which it passed a share."""

import logging

from msgspec import Struct
from opentelemetry.trace import SpanContext

from telemetry.guard import Defects, guarded
from telemetry.live.moments import BudgetPassed, Moments
from telemetry.logs.records import log_fields
from telemetry.metrics.quotas import LimitedKey, QuotaMetrics
from telemetry.names import QuotaLimit, QuotaScope
from telemetry.names.events import Event
from telemetry.names.spans import Attribute
from telemetry.transaction.ending import Description
from telemetry.transaction.trace import TransactionTrace

_log = logging.getLogger("flowspan.budget")


class QuotaTelemetry(Struct, eq=False):
    metrics: QuotaMetrics
    trace: TransactionTrace
    about: Description

    @property
    def defects(self) -> Defects:
        return self.trace.defects

    @guarded
    def refused(self, scope: QuotaScope, holder: str, limit: QuotaLimit) -> None:
        """A limit of the transaction's key, or of its team, turned it away; `holder` is the name of either."""
        identity = self.about.key.identity
        self.metrics.refused(LimitedKey(identity.name, identity.team, scope, holder, limit))
        self.about.limit = limit
        self.trace.span.set({Attribute.LIMIT: limit, Attribute.LIMIT_SCOPE: scope})

    @guarded
    def passed(self, scope: QuotaScope, holder: str, limit: QuotaLimit, share: float, used: float, most: float) -> None:
        """Note that the transaction passed a `share` of a budget; `used` and `most` are US dollars."""
        moment = BudgetPassed(
            at=self.trace.timeline.unix_seconds(),
            transaction_id=self.trace.transaction_id,
            scope=scope,
            holder=holder,
            limit=limit,
            share=share,
            used_usd=used,
            budget_usd=most,
        )
        report_passed(moment, self.trace.moments, self.trace.context)
        self.trace.event(
            Event.BUDGET_PASSED, {Attribute.LIMIT: limit, Attribute.LIMIT_SCOPE: scope, Attribute.BUDGET_SHARE: share}
        )


def report_passed(moment: BudgetPassed, moments: Moments, context: SpanContext | None = None) -> None:
    """Log that a share of a budget was passed, and have live views show it. `context` is the span of the transaction
    that passed it, if one of this process did."""
    moments.add(moment)
    fields = {name: getattr(moment, name) for name in ("scope", "holder", "limit", "share", "used_usd", "budget_usd")}
    spent, per = moment.used_usd / moment.budget_usd, moment.limit.removeprefix("budget_")
    text = "%s %s has spent %.0f %% of its budget of %.2f USD by the %s"
    words = (moment.scope, moment.holder, 100 * spent, moment.budget_usd, per)
    _log.warning(text, *words, extra=log_fields(context, fields))

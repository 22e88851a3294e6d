"""Breakers that a transaction met: metrics, log lines, and links between who tripped one and who was turned away."""

import logging

from msgspec import Struct

from telemetry.guard import Defects, guarded
from telemetry.live.moments import BreakerChanged, CallerKeptOut
from telemetry.logs.records import log_fields
from telemetry.names import RejectionReason
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Value
from telemetry.transaction.services import Services
from telemetry.transaction.trace import TransactionTrace

_log = logging.getLogger("flowspan.breaker")


class BreakerTelemetry(Struct, eq=False):
    services: Services
    trace: TransactionTrace

    @property
    def defects(self) -> Defects:
        return self.trace.defects

    @guarded
    def changed(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        """A breaker changed its state on account of this transaction."""
        context = self.trace.context
        if to_state == "open":
            self.services.trips[breaker] = context
        self.services.metrics.breakers.transition(breaker, from_state, to_state, reason)
        level = logging.WARNING if to_state == "open" else logging.INFO
        fields = {"breaker": breaker, "from_state": from_state, "to_state": to_state, "reason": reason}
        _log.log(level, "breaker %s: %s", breaker, to_state, extra=log_fields(context, fields))
        attributes: dict[str, Value] = {
            Attribute.BREAKER: breaker,
            Attribute.FROM_STATE: from_state,
            Attribute.TO_STATE: to_state,
            Attribute.REASON: reason,
        }
        self.trace.event(Event.BREAKER_STATE_CHANGE, attributes)
        self.trace.moments.add(
            BreakerChanged(
                at=self.trace.timeline.unix_seconds(),
                transaction_id=self.trace.transaction_id,
                breaker=breaker,
                from_state=from_state,
                to_state=to_state,
                reason=reason,
            )
        )

    @guarded
    def rejected(self, breaker: str, reason: RejectionReason = "open") -> None:
        """An open breaker turned this transaction or an attempt of it away; links to the one that tripped it."""
        self.services.metrics.breakers.rejected(breaker, reason)
        trip = self.services.trips.get(breaker)
        if trip is not None:
            self.trace.span.link(trip, "breaker_trip")

    @guarded
    def caller_kept_out(self, breaker: str, reason: str) -> None:
        """The breaker before this transaction's caller alone has opened."""
        self.services.metrics.breakers.caller_kept_out(breaker, reason)
        fields = {"breaker": breaker, "reason": reason}
        _log.warning("breaker %s: one caller is kept out", breaker, extra=log_fields(self.trace.context, fields))
        at, id = self.trace.timeline.unix_seconds(), self.trace.transaction_id
        self.trace.moments.add(CallerKeptOut(at=at, transaction_id=id, breaker=breaker, reason=reason))

"""Breakers that a transaction met: metrics, log lines, and links between who tripped one and who was turned away."""

import logging

from telemetry.guard import guarded
from telemetry.live.moments import BreakerChanged, CallerKeptOut
from telemetry.logs.records import log_fields
from telemetry.names import RejectionReason
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Value
from telemetry.transaction.services import Services
from telemetry.transaction.trace import TransactionTrace

_log = logging.getLogger("flowspan.breaker")


class BreakerTelemetry:
    def __init__(self, services: Services, trace: TransactionTrace) -> None:
        self.defects = services.defects
        self._metrics = services.metrics.breakers
        self._trips = services.trips
        self._trace = trace

    @guarded
    def changed(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        """A breaker changed its state on account of this transaction."""
        context = self._trace.context
        if to_state == "open":
            self._trips[breaker] = context
        self._metrics.transition(breaker, from_state, to_state, reason)
        level = logging.WARNING if to_state == "open" else logging.INFO
        fields = {"breaker": breaker, "from_state": from_state, "to_state": to_state, "reason": reason}
        _log.log(level, "breaker %s: %s", breaker, to_state, extra=log_fields(context, fields))
        attributes: dict[str, Value] = {
            Attribute.BREAKER: breaker,
            Attribute.FROM_STATE: from_state,
            Attribute.TO_STATE: to_state,
            Attribute.REASON: reason,
        }
        self._trace.event(Event.BREAKER_STATE_CHANGE, attributes)
        self._trace.moments.add(
            BreakerChanged(
                at=self._trace.timeline.unix_seconds(),
                transaction_id=self._trace.transaction_id,
                breaker=breaker,
                from_state=from_state,
                to_state=to_state,
                reason=reason,
            )
        )

    @guarded
    def rejected(self, breaker: str, reason: RejectionReason = "open") -> None:
        """An open breaker turned this transaction or an attempt of it away; links to the one that tripped it."""
        self._metrics.rejected(breaker, reason)
        trip = self._trips.get(breaker)
        if trip is not None:
            self._trace.span.link(trip, "breaker_trip")

    @guarded
    def caller_kept_out(self, breaker: str, reason: str) -> None:
        """The breaker before this transaction's caller alone has opened."""
        self._metrics.caller_kept_out(breaker, reason)
        fields = {"breaker": breaker, "reason": reason}
        _log.warning("breaker %s: one caller is kept out", breaker, extra=log_fields(self._trace.context, fields))
        at, id = self._trace.timeline.unix_seconds(), self._trace.transaction_id
        self._trace.moments.add(CallerKeptOut(at=at, transaction_id=id, breaker=breaker, reason=reason))

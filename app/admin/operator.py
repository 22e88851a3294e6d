"""Performs acts on the gateway of this process. Everything here runs on the gateway's event loop, and nothing waits but
a reload and the state of quotas."""

import os
from collections.abc import Sequence
from time import monotonic, time
from typing import Protocol

from app.admin import listing
from app.admin.acts import (
    Act,
    CancelRequest,
    CancelRequests,
    DrainDeployment,
    GetChanges,
    GetLogLevel,
    GetStatus,
    GetUsage,
    ListBreakers,
    ListDeployments,
    ListKeys,
    ListRequests,
    OpenBreaker,
    Outcome,
    Refused,
    ReleaseBreaker,
    Reload,
    ResetBreaker,
    RestartWorkers,
    RestoreDeployment,
    RestoreKey,
    RevokeKey,
    SetLogLevel,
    SetWeight,
)
from app.admin.log_level import LogLevel
from app.breakers.breaker import Transition
from app.breakers.callers import Changes
from app.breakers.panel import BreakerPanel, UnknownBreaker
from app.gateway import Gateway, GatewayApp
from app.gateway.usage import described_limit
from app.quotas import StateUnreachable
from app.settings import Deployment, Key
from telemetry import Telemetry
from telemetry.names import UNNAMED_KEY
from telemetry.names.resource import VERSION


class ReadsConfiguration(Protocol):
    """What reads the configuration of this process anew."""

    async def read_anew(self, reason: str) -> Outcome:
        """Go on with the configuration as it is now. The outcome is that of the act Reload. Raises Refused."""

    async def preview(self) -> Outcome:
        """What that would change. The outcome is that of the act GetChanges. Raises Refused."""


class Operator:
    """Performs acts on `app`. Without `configuration` nothing is read anew here."""

    def __init__(self, app: GatewayApp, configuration: ReadsConfiguration | None = None) -> None:
        self._app = app
        self._configuration = configuration
        self._started_at = time()
        self._log = LogLevel()

    async def perform(self, act: Act, actor: str) -> Outcome:
        """Do it, and say what became of it. Raises Refused."""
        match act:
            case Reload():
                return await self._reads.read_anew(actor)
            case GetChanges():
                return await self._reads.preview()
            case RestartWorkers():
                raise Refused("this gateway is one process, without workers")
            case GetUsage(key):
                return await self._usage_of(key)
        return self._performed(act, actor)

    def _performed(self, act: Act, actor: str) -> Outcome:
        gateway = self._app.gateway
        match act:
            case GetStatus():
                return self._status()
            case ListKeys() | RevokeKey() | RestoreKey():
                return self._on_keys(act)
            case ListBreakers() | ResetBreaker() | OpenBreaker() | ReleaseBreaker():
                return self._on_breakers(act, actor)
            case ListDeployments() | DrainDeployment() | RestoreDeployment() | SetWeight():
                return self._on_deployments(act)
            case GetLogLevel():
                return self._log.outcome()
            case SetLogLevel(level, seconds):
                return self._log.set(level, seconds)
            case ListRequests(key, most):
                views = [view for view in gateway.in_flight.views() if key is None or view.key == key]
                return {"requests": [listing.request(view) for view in views[:most]], "total": len(views)}
            case CancelRequest(transaction_id):
                return {"cancelled": gateway.in_flight.cancel(transaction_id=transaction_id)}
            case CancelRequests(key):
                return {"cancelled": gateway.in_flight.cancel(key=_named(gateway, key))}
        raise Refused(f"{act.name} is none of the gateway's acts")

    def _status(self) -> Outcome:
        gateway = self._app.gateway
        process = {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "uptime_seconds": time() - self._started_at,
            "generation": gateway.generation,
            "in_flight": len(gateway.in_flight),
            "leaving": gateway.in_flight.leaving,
            "models": len(gateway.router.model_names()),
            "deployments": len(gateway.settings.deployments),
            "keys": len(gateway.settings.keys),
            "log_level": self._log.level,
        }
        return {"version": VERSION, "processes": [process]}

    @property
    def _reads(self) -> ReadsConfiguration:
        """What reads the configuration anew. Raises Refused where nothing does."""
        if self._configuration is None:
            raise Refused("this gateway does not read its configuration anew: restart it")
        return self._configuration

    async def _usage_of(self, name: str) -> Outcome:
        gateway = self._app.gateway
        key = _keys_of(gateway, name)[0]
        try:
            limits = await gateway.quotas.usage(key.caller)
        except StateUnreachable as error:
            raise Refused(str(error)) from None
        totals = gateway.telemetry.metrics.keys.totals(key.name or UNNAMED_KEY)
        return {"key": name, **listing.totals(totals), "limits": [described_limit(one) for one in limits]}

    def _on_keys(self, act: ListKeys | RevokeKey | RestoreKey) -> Outcome:
        gateway, now = self._app.gateway, time()
        if isinstance(act, ListKeys):
            totals = gateway.telemetry.metrics.keys.totals
            return {
                "keys": [
                    listing.key(key, totals(key.name or UNNAMED_KEY), now, revoked=key.digest in gateway.revoked)
                    for key in gateway.settings.keys
                ]
            }
        keys = _keys_of(gateway, act.key)
        for key in keys:
            (gateway.revoked.revoke if isinstance(act, RevokeKey) else gateway.revoked.restore)(key.digest)
        revoked = isinstance(act, RevokeKey)
        return {"keys": [{"id": listing.key_id(key), "name": key.name, "revoked": revoked} for key in keys]}

    def _on_breakers(self, act: ListBreakers | ResetBreaker | OpenBreaker | ReleaseBreaker, actor: str) -> Outcome:
        gateway, now = self._app.gateway, monotonic()
        ids = (deployment.id for deployment in gateway.settings.deployments)
        panel = BreakerPanel(gateway.attempts.breakers, gateway.queue_breakers.breakers, ids)
        if isinstance(act, ListBreakers):
            return {"breakers": [listing.breaker(one) for one in panel.listed(now)]}
        try:
            match act:
                case ResetBreaker(name):
                    changes = panel.reset(name)
                case OpenBreaker(name, seconds):
                    changes = panel.force_open(name, now, seconds)
                case ReleaseBreaker(name):
                    changes = panel.end_force(name, now)
        except UnknownBreaker:
            raise Refused(listing.unknown("breaker", act.breaker, panel.names)) from None
        _report(changes, gateway.telemetry, actor)
        outcome = listing.breaker(panel.one(act.breaker, now))
        return {**outcome, "released": bool(changes)} if isinstance(act, ReleaseBreaker) else outcome

    def _on_deployments(self, act: ListDeployments | DrainDeployment | RestoreDeployment | SetWeight) -> Outcome:
        gateway = self._app.gateway
        asked = listing.in_flight_by_deployment(gateway.in_flight.views())
        states = gateway.attempts.states()

        def listed(one: Deployment) -> Outcome:
            return listing.deployment(one, gateway.overrides, states.get(one.id, "closed"), asked[one.id])

        if isinstance(act, ListDeployments):
            return {"deployments": [listed(one) for one in gateway.settings.deployments]}
        found = next((one for one in gateway.settings.deployments if one.id == act.deployment), None)
        if found is None:
            ids = [one.id for one in gateway.settings.deployments]
            raise Refused(listing.unknown("deployment", act.deployment, ids))
        match act:
            case DrainDeployment():
                gateway.overrides.drain(found.id)
            case RestoreDeployment():
                gateway.overrides.restore(found.id)
            case SetWeight(weight=weight):
                gateway.overrides.set_weight(found.id, weight)
        return listed(found)


def _keys_of(gateway: Gateway, name: str) -> Sequence[Key]:
    """The keys with this name, or the one with this id. Raises Refused."""
    keys = gateway.settings.keys
    if found := [key for key in keys if name in (key.name, listing.key_id(key))]:
        return found
    names = [key.name or listing.key_id(key) for key in keys]
    raise Refused(listing.unknown("key", name, names))


def _named(gateway: Gateway, name: str) -> str:
    """The name by which telemetry knows a key. Raises Refused."""
    if not gateway.settings.keys:
        return name
    return _keys_of(gateway, name)[0].name or UNNAMED_KEY


def _report(changes: Changes, telemetry: Telemetry, actor: str) -> None:
    for change in changes:
        if isinstance(change, Transition):
            telemetry.operations.breaker_changed(
                change.breaker, change.from_state.value, change.to_state.value, change.reason, actor
            )

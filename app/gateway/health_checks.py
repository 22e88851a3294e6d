"""`GET /health/deployments`: asks the deployments themselves how they are, for whoever operates the gateway.

It is a request of its own, with a key, a span and a cost, and its caller may check what it may ask for.
"""

from urllib.parse import parse_qs

import msgspec

from app.backends.probes import MOST
from app.errors import InvalidRequest, legible
from app.gateway.call import Call, Gateway
from app.gateway.quotas import may_ask
from app.settings import Deployment
from telemetry.names import OTHER


async def check_deployments(gateway: Gateway, call: Call) -> None:
    """Answer with how each deployment is, or those that the query names by `deployment` or `model`."""
    call.obs.describe(operation="chat", model=OTHER, stream=False, policies=())
    chosen = _chosen(gateway, call)
    with call.obs.ledger.charge("upstream"):
        results = await gateway.router.probes.of(chosen[:MOST], call.caller.id, call.obs)
    counts = {result: sum(one.result == result for one in results) for result in ("ok", "refused", "failed")}
    body = {**counts, "not_asked": len(chosen) - sum(counts.values()), "deployments": msgspec.to_builtins(results)}
    await call.reply.json(200, body)


def _chosen(gateway: Gateway, call: Call) -> list[Deployment]:
    query = parse_qs(call.query)
    ids, models = query.get("deployment", []), query.get("model", [])
    visible = [one for one in gateway.settings.deployments if may_ask(gateway, call.caller, one.model_name)]
    known = {one.id for one in visible}, {one.model_name for one in visible}
    for name, given, names in (("deployment", ids, known[0]), ("model", models, known[1])):
        if unknown := [one for one in given if one not in names]:
            raise InvalidRequest(f"There is no {name} `{legible(unknown[0], 80)}`.", param=name)
    if not ids and not models:
        return visible
    return [one for one in visible if one.id in ids or one.model_name in models]

"""What a good configuration sets up, as text for people: how many keys there are, but never a key."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from app.backends.deployments import by_model
from app.backends.model_names import is_wildcard
from app.configuration.api_keys import written_time
from app.configuration.binding import where_keys_are
from app.figures import counted, dollars
from app.prices import catalogue_name
from app.providers import DIRECT, find
from app.recorder.store_urls import described_store
from app.settings import AdminSettings, Budget, Deployment, Limits, RecorderSettings, Settings
from telemetry.hosts import in_url

_MOST_MODELS = 20
_MOST_KEYS = 20


def summary(settings: Settings, absent_keys: str = "") -> str:
    """`absent_keys` is the place of keys that are not to be had here."""
    return "\n".join(
        [
            *_models(settings),
            *_policies(settings),
            *_keys(settings),
            *_recorder(settings.recorder),
            *_admin(settings.admin),
            *_limits(settings, absent_keys),
        ]
    )


def _admin(settings: AdminSettings) -> Iterator[str]:
    if settings.socket is not None:
        yield f"admin API on the Unix socket {settings.socket}"
    elif settings.key is not None:
        yield f"admin API on http://{in_url(settings.host)}:{settings.port}"


def _models(settings: Settings) -> Iterator[str]:
    by_name = by_model(settings.deployments)
    yield f"{counted(len(by_name), 'model')}, {counted(len(settings.deployments), 'deployment')}"
    for name, deployments in list(by_name.items())[:_MOST_MODELS]:
        fallbacks = settings.router.fallbacks.get(name)
        yield f"  {name}" + (f" (falls back to {', '.join(fallbacks)})" if fallbacks else "")
        for deployment in sorted(deployments, key=lambda each: each.order):
            only = ", by the Responses API only" if deployment.responses == "only" else ""
            rank = _rank(deployment, deployments)
            yield f"    {deployment.model} by {_asked(deployment)}{only}{_way(deployment)}{rank}, {_price(deployment)}"
    if len(by_name) > _MOST_MODELS:
        yield f"  and {len(by_name) - _MOST_MODELS:,} more"
    if any(_price(deployment) == "list price" for deployment in settings.deployments):
        yield f"  list prices of {catalogue_name()}"


def _asked(deployment: Deployment) -> str:
    """Who is asked: the provider, by its prefix, where the gateway asks it directly; else its backend."""
    found = find(deployment.model, deployment.params) if deployment.backend in DIRECT else None
    return found.provider.prefix if found else deployment.backend


def _way(deployment: Deployment) -> str:
    """What is not as usual on the way to the provider."""
    proxy, tls = deployment.proxy, deployment.tls
    found = [] if proxy is None else [f"by the proxy {proxy.address} ({proxy.source})"]
    if tls.certificate is not None:
        found.append("with a client certificate")
    if not tls.verify:
        found.append("certificate not checked")
    return "".join(f", {one}" for one in found)


def _price(deployment: Deployment) -> str:
    """Where what its model costs is known from."""
    if deployment.cost_source == "configuration":
        return "its own price"
    is_listed = deployment.cost is not None or is_wildcard(deployment.model)
    return "list price" if is_listed and deployment.cost_source == "catalogue" else "no list price"


def _rank(deployment: Deployment, deployments: Sequence[Deployment]) -> str:
    return f", order {deployment.order}, weight {deployment.weight:g}" if len(deployments) > 1 else ""


def _policies(settings: Settings) -> Iterator[str]:
    yield counted(len(settings.policies), "policy", "policies")
    for policy in settings.policies:
        named = ", for keys that name it" if policy.applies == "named" else ""
        yield f"  {policy.use} ({policy.on_error}){named}"


def _keys(settings: Settings) -> Iterator[str]:
    """The names of keys, with what they may do; of those without a name there is only how many they are."""
    named = [key for key in settings.keys if key.name is not None]
    if named:
        yield counted(len(named), "key") + " with a name"
    for key in named[:_MOST_KEYS]:
        team, may = (f" of {key.team}" if key.team else ""), key.entitlement
        yield f"  {key.name}{team}{_end(key.expires)}{_bounds(may.limits, may.budgets)}"
    if len(named) > _MOST_KEYS:
        yield f"  and {len(named) - _MOST_KEYS:,} more"
    if settings.teams:
        yield counted(len(settings.teams), "team") + " with limits"
    for name, team_entry in list(settings.teams.items())[:_MOST_KEYS]:
        yield f"  {name}{_bounds(team_entry.limits, team_entry.budgets)}"


def _bounds(limits: Limits, budgets: Sequence[Budget]) -> str:
    """What somebody may ask for and spend; nothing where nothing is limited."""
    given = {name: getattr(limits, name) for name in Limits.__struct_fields__}
    found = [f"{most:,} {name.replace('_', ' ')}" for name, most in given.items() if most is not None]
    found += [f"{dollars(one.usd)} USD per {one.per}{_mode(one)}" for one in budgets]
    return f": {', '.join(found)}" if found else ""


def _mode(budget: Budget) -> str:
    return " (warns)" if budget.mode == "warn" else ""


def _end(expires: datetime | None) -> str:
    if expires is None:
        return ""
    return f", {'expired' if expires <= datetime.now(UTC) else 'expires'} {written_time(expires)}"


def _recorder(recorder: RecorderSettings) -> Iterator[str]:
    """What is recorded and where; nothing of a recorder that is off."""
    if recorder.store == "off":
        return
    yield "recorder"
    if recorder.store == "memory":
        yield f"  in memory, {_size(recorder.memory)} at most"
    else:
        age = f"{recorder.max_age / 86400:g} days"
        yield f"  in {described_store(recorder.store)}, {_size(recorder.max_size)} and {age} at most"
    which = ["failures only"] if recorder.outcomes == "failures" else []
    filters = (("models", recorder.models), ("keys", recorder.keys))
    which += [f"{what} {', '.join(names)}" for what, names in filters if names]
    which += [f"{recorder.sample:.3g} of all conversations"] if recorder.sample < 1 else []
    yield f"  {'; '.join(which) or 'all transactions'}; with a failure, {recorder.flight} before it"
    if recorder.concealed == "clear":
        yield "  what policies take out is recorded in clear"


def _limits(settings: Settings, absent_keys: str) -> Iterator[str]:
    server, pipeline, router = settings.server, settings.pipeline, settings.router
    yield "limits"
    token = " with a token" if server.metrics_token else ""
    metrics = f"metrics on {in_url(server.metrics_host)}:{server.metrics_port}{token}"
    keys = f"keys of {absent_keys}, not set here" if absent_keys else where_keys_are(settings)
    port = [] if server.port is None else [f"{in_url(server.host)}:{server.port}"]
    addresses = [*port, *([] if server.uds is None else [f"unix:{server.uds}"])]
    yield f"  {' and '.join(addresses)}, {metrics}, {keys}"
    yield f"  request timeout {router.request_timeout:g} s, {counted(router.num_retries, 'retry', 'retries')}"
    yield (
        f"  queues of {pipeline.queue_items:,} items and {_size(pipeline.queue_bytes)}, "
        f"{_size(pipeline.total_queue_bytes)} in all; body {_size(server.body_limit)}"
    )
    yield (
        f"  put {pipeline.put_timeout:g} s, policy {pipeline.policy_timeout:g} s, "
        f"upstream idle {pipeline.upstream_idle_timeout:g} s, "
        f"lame duck {server.lame_duck:g} s, drain {server.drain_timeout:g} s"
    )


def _size(size: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"

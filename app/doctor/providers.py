"""Whether each provider of a configuration can be reached, and, where that is asked for, what it says to its key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.backends.direct.endpoint import Endpoint, endpoint_of
from app.backends.direct.openai_urls import key_headers, url_beside_chat
from app.doctor.findings import Finding
from app.doctor.network import Reply, Way, ask, reach
from app.providers import DIRECT
from app.settings import Deployment

_AT_ONCE = 16


@dataclass(frozen=True)
class _Address:
    """Where a provider is asked, and with what, once for all deployments that have both in common."""

    prefix: str
    base: str
    url: str
    """That of its list of models."""
    headers: Mapping[str, str] = field(repr=False)
    way: Way
    has_key: bool = True


def look_at_providers(deployments: Sequence[Deployment], *, asks: bool) -> list[Finding]:
    addresses = list(_addresses(deployments))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda address: _look_at(address, asks=asks), addresses))
    by_litellm = sorted({one.provider for one in deployments if one.backend == "litellm"})
    if by_litellm:
        words = "asked through LiteLLM, which goes by HTTPS_PROXY and its like itself; not looked at"
        found.append(Finding("note", f"{', '.join(by_litellm)}: {words}"))
    if any(one.backend == "simulated" for one in deployments):
        found.append(Finding("good", "simulated models need no network"))
    return found


def _addresses(deployments: Iterable[Deployment]) -> Iterator[_Address]:
    seen = set()
    for deployment in deployments:
        if deployment.backend not in DIRECT:
            continue
        endpoint = endpoint_of(deployment)
        key = deployment.params.get("api_key")
        way = Way(deployment.proxy, deployment.tls)
        if (identity := (endpoint.base, key, way)) not in seen:
            seen.add(identity)
            url, headers = _list_of_models(deployment, endpoint)
            yield _Address(endpoint.provider.prefix, endpoint.base, url, headers, way, bool(key))


def _list_of_models(deployment: Deployment, endpoint: Endpoint) -> tuple[str, Mapping[str, str]]:
    if deployment.backend == "anthropic":
        key = deployment.params.get("api_key") or ""
        base = endpoint.base.rstrip("/").removesuffix("/v1")
        return f"{base}/v1/models", {"x-api-key": str(key), "anthropic-version": "2023-06-01"}
    return url_beside_chat(endpoint, "/models"), key_headers(endpoint, deployment.params)


def _look_at(address: _Address, *, asks: bool) -> Finding:
    reached = reach(address.base, address.way)
    if reached.problem is not None:
        return Finding("warning", f"{address.prefix}: {reached.host}: {reached.problem}")
    where = f"{address.prefix}: {reached.host} in {reached.seconds * 1000:.0f} ms{_described(address.way)}"
    if not asks or not address.has_key:
        return Finding("good", where if address.has_key else f"{where}; no key of the gateway's")
    reply = ask(address.url, address.headers, address.way)
    return _judged(where, reply)


def _described(way: Way) -> str:
    """What is not as usual on the way to a provider, as in ` by the proxy http://proxy:3128 (HTTPS_PROXY)`."""
    proxy = "" if way.proxy is None else f" by the proxy {way.proxy.address} ({way.proxy.source})"
    shows = ", with a client certificate" if way.tls.certificate is not None else ""
    return proxy + shows + ("" if way.tls.verify else ", whose certificate is not checked")


def _judged(where: str, reply: Reply | str) -> Finding:
    if isinstance(reply, str):
        return Finding("warning", f"{where}; no answer to its key ({reply})")
    clock = f"; this machine's clock is {reply.skew:+.0f} s off" if reply.skew else ""
    match reply.status:
        case 200:
            models = "" if reply.models is None else f", {reply.models} models"
            return Finding("warning" if clock else "good", f"{where}; its key is good{models}{clock}")
        case 401 | 403:
            return Finding("warning", f"{where}; its key is refused ({reply.status}){clock}")
        case 404 | 405:
            return Finding("note", f"{where}; it lists no models, so its key was not tried{clock}")
        case _:
            return Finding("warning", f"{where}; it answers {reply.status}{clock}")

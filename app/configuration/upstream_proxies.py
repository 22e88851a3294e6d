"""By which proxy a provider is asked: a model's `proxy` counts before the gateway's, and that before the environment.

The variables are read as Python's `urllib`, `httpx` and with them the SDKs and LiteLLM read them: `HTTPS_PROXY` for
addresses that are https, `HTTP_PROXY` for the others, `ALL_PROXY` where neither is set; written small they count first.
What `NO_PROXY` lists is asked without a proxy: names with all below them, addresses, networks, `*` for everything.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from app.addresses import without_credentials
from app.configuration.environment import Environment
from app.conversion import Path
from app.settings import UpstreamProxy
from telemetry.hosts import in_url, is_loopback

NONE = "none"
"""In place of an address: no proxy."""
_NOT_HTTP = "is no address of an HTTP proxy, which is written http://host:port"
_SOCKS = "is a SOCKS proxy, which is not supported; an HTTP proxy is written http://host:port"
_HTTPS = "is a proxy that is asked by TLS itself, which is not supported; an HTTP proxy is written http://host:port"


def proxy_at(address: str, source: str) -> UpstreamProxy:
    """The proxy that an operator means. Without a scheme it is http. Raises ValueError, with a text for the operator
    that shows no password."""
    address = address.strip()
    full = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise ValueError(_NOT_HTTP) from None
    if parts.scheme.startswith("socks"):
        raise ValueError(_SOCKS)
    if parts.scheme == "https":
        raise ValueError(_HTTPS)
    if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_NOT_HTTP)
    _, authorization = without_credentials(full)
    return UpstreamProxy(f"http://{in_url(host)}:{port}", authorization, source)


def is_exempt(base: SplitResult, no_proxy: str | None) -> bool:
    """Whether a provider is asked without a proxy, whatever proxy there is for all: it is on this machine, or listed in
    `NO_PROXY`."""
    host = (base.hostname or "").removesuffix(".")
    if is_loopback(host):
        return True
    port = base.port or (443 if base.scheme == "https" else 80)
    entries = [entry.strip().lower() for entry in (no_proxy or "").split(",")]
    return any(_is_listed(entry, host.lower(), port) for entry in entries if entry)


def proxy_of_environment(base: SplitResult, environment: Environment, path: Path) -> UpstreamProxy | None:
    """The proxy that the variables name for an address. Raises ValueError, with a text for the operator that names the
    variable. A file with a secret that cannot be read is reported at `path`."""
    for name in (f"{base.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if address := environment.get(variable, path):
                try:
                    return proxy_at(address, variable)
                except ValueError as error:
                    raise ValueError(f"the environment variable {variable} {error}") from None
    return None


def no_proxy_of(environment: Environment) -> str | None:
    """What the variable lists."""
    return environment.get("no_proxy") or environment.get("NO_PROXY")


def split_address(base: object) -> SplitResult | None:
    """The parts of a provider's address; None for one that is none, which is reported elsewhere."""
    try:
        parts = urlsplit(str(base or ""))
        return parts if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _is_listed(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` means a host: `*`, a name with all below it, one port of either, an address, a
    network."""
    if entry == "*":
        return True
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name = entry.removeprefix("*").lstrip(".").removesuffix(f":{port}").strip("[]")
        return host == name or host.endswith(f".{name}")
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False

"""`gateway.server.forwarded_allow_ips`: which proxies can stand there."""

from collections.abc import Iterable

from app.configuration.problems import Report
from app.proxies import BadProxy, TrustedProxies

_PATH = ("gateway", "server", "forwarded_allow_ips")


def check_proxies(addresses: Iterable[str], report: Report) -> None:
    """Report what is neither an address nor a network."""
    for index, address in enumerate(addresses):
        try:
            TrustedProxies([address])
        except BadProxy as error:
            report.problem((*_PATH, index), str(error))

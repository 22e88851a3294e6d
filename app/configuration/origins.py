"""`gateway.server.cors_origins`: which origins can stand there."""

import re
from collections.abc import Iterable

from app.configuration.problems import Report

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
"""An origin as browsers send it: scheme and host in lower case, and a port that is not the scheme's own."""
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PATH = ("gateway", "server", "cors_origins")


def check_origins(origins: Iterable[str], report: Report, *, has_keys: bool) -> None:
    """Report what no browser sends as an origin, and `*` where nothing else would keep strangers out."""
    for index, origin in enumerate(origins):
        if origin == "*":
            if not has_keys:
                report.problem((*_PATH, index), "without keys any page in a browser could use the models; name origins")
        elif (fault := _fault(origin)) is not None:
            report.problem((*_PATH, index), fault)


def _fault(origin: str) -> str | None:
    if not _ORIGIN.fullmatch(origin):
        return "expected an origin such as https://app.example.com: scheme, host and port in lower case, no path"
    scheme, _, rest = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    return f"browsers leave out :{port} of {scheme}" if port and rest.endswith(f":{port}") else None

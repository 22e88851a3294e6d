"""`gateway.server`: whether there is anything to serve on."""

from app.configuration.problems import Report
from app.conversion import Path
from app.settings import ServerSettings

_LONGEST_SOCKET = 107
"""Bytes of a path that the system takes."""
_PATH = ("gateway", "server")


def check_addresses(server: ServerSettings, report: Report) -> None:
    """Report an address that nobody can bind, and that there is none."""
    check_unix_socket(server.uds, (*_PATH, "uds"), report)
    if server.port is None and server.uds is None:
        report.problem((*_PATH, "port"), "there is nothing to serve on: without a port, set gateway.server.uds")


def check_unix_socket(path: str | None, at: Path, report: Report) -> None:
    """Report a path that no Unix socket can have."""
    if path is not None and not 0 < len(path.encode()) <= _LONGEST_SOCKET:
        report.problem(at, f"expected a path of 1 to {_LONGEST_SOCKET} bytes")

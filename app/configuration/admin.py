"""The section of the admin API: what would let others act on a gateway, or is of no use."""

from app.configuration.addresses import check_unix_socket
from app.configuration.problems import Report
from app.settings import Settings, digest_of

_PATH = ("gateway", "admin")


def check_admin(settings: Settings, report: Report) -> None:
    """Report what cannot work, or is not safe, whatever address it is served on."""
    admin = settings.admin
    if admin.key is not None:
        _check_key(admin.key, settings, report)
    check_unix_socket(admin.socket, (*_PATH, "socket"), report)


def _check_key(key: str, settings: Settings, report: Report) -> None:
    """A key that is for something else, too, would let those who have it for that act on the gateway."""
    if not key.strip():
        report.problem((*_PATH, "key"), "is empty")
        return
    others = {
        "a caller's key": digest_of(key) in {one.digest for one in settings.keys},
        "gateway.server.metrics_token": key == settings.server.metrics_token,
        "gateway.console.token": key == settings.console.token,
    }
    for other, is_same in others.items():
        if is_same:
            report.problem((*_PATH, "key"), f"is {other}, too: the admin API needs a key of its own")

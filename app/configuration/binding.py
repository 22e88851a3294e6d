"""Who may reach the gateway, and with what: an address that others can reach needs keys."""

from app.gateway.auth import is_loopback
from app.settings import Settings


class UnsafeBind(Exception):
    """The start is refused."""


def check_bind(settings: Settings) -> str | None:
    """A warning, or None if all is well; raises `UnsafeBind` for anything but loopback without keys."""
    if settings.keys:
        return None
    host = settings.server.host
    if not is_loopback(host):
        raise UnsafeBind(
            f"{host or 'every address'} can be reached by others and no key is set: set general_settings.master_key, "
            "gateway.keys or FLOWSPAN_KEY, or bind to 127.0.0.1"
        )
    return "no key is set: whoever can log in to this machine can use the models"

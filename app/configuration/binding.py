"""Which addresses may be bound: one that other machines can reach needs keys that nobody guesses."""

from collections.abc import Iterator

from app.figures import counted
from app.settings import Key, Settings
from telemetry.hosts import is_loopback

_SHORTEST_KEY = 16
"""Characters. Whoever reaches the port can try keys for as long as they like."""
_NO_KEY = "no key is set: set general_settings.master_key, gateway.keys or FLOWSPAN_KEY, or bind to 127.0.0.1"


_NO_CONSOLE_TOKEN = "the console asks for nothing: set gateway.console.token, or bind it to 127.0.0.1"


class UnsafeBind(Exception):
    """The start is refused. `option` is the option of the command line that makes it unsafe, `path` that of a file."""

    def __init__(self, option: str, host: str, reason: str) -> None:
        super().__init__(f"{host or 'every address'} can be reached by others and {reason}")
        self.option = option
        section, _, name = option.partition("_")
        is_of_another = section in ("console", "admin")
        self.path = ("gateway", section, name) if is_of_another else ("gateway", "server", option)


def check_bind(settings: Settings, *, absent_keys: str = "") -> list[str]:
    """Warnings about keys. Raises `UnsafeBind` for an address that others can reach without keys, or with weak ones.
    With `absent_keys`, the place of keys that are not here, nothing is said of there being none."""
    server, console, admin = settings.server, settings.console, settings.admin
    weak, weak_token = list(_weak_keys(settings.keys)), list(_weak_token("metrics_token", server.metrics_token))
    weak_console = list(_weak_token("console.token", console.token)) if console.enabled else []
    weak_admin = [] if admin.socket is not None else list(_weak_token("admin.key", admin.key))
    is_for_others = server.port is not None and not is_loopback(server.host)
    if not settings.keys and not absent_keys and is_for_others:
        raise UnsafeBind("host", server.host, _NO_KEY)
    if console.enabled and console.token is None and not is_loopback(console.host):
        raise UnsafeBind("console_host", console.host, _NO_CONSOLE_TOKEN)
    if weak and is_for_others:
        raise UnsafeBind("host", server.host, weak[0])
    for option, host, faults in (
        ("metrics_host", server.metrics_host, weak_token),
        ("console_host", console.host, weak_console),
        ("admin_host", admin.host, weak_admin),
    ):
        if faults and not is_loopback(host):
            raise UnsafeBind(option, host, faults[0])
    no_key = (
        [] if settings.keys or absent_keys else ["no key is set: whoever can log in to this machine can use the models"]
    )
    return no_key + weak + weak_token + weak_console + weak_admin


def where_keys_are(settings: Settings) -> str:
    """How many keys callers may present, and where they come from: a variable that was set for another gateway locks
    one whose configuration has no key."""
    number = counted(len(settings.keys), "key")
    if not settings.keys:
        return number
    return f"{number} from {settings.key_variable or 'the configuration'}"


def _weak_keys(keys: tuple[Key, ...]) -> Iterator[str]:
    """What is wrong with keys that are known in clear; of a hash nobody can say it."""
    for number, key in enumerate(keys, 1):
        if key.secret is not None and (fault := _fault(key.secret)) is not None:
            yield f"{'the key' if len(keys) == 1 else f'key {number} of {len(keys)}'} {fault}"


def _weak_token(name: str, token: str | None) -> Iterator[str]:
    if token is not None and (fault := _fault(token)) is not None:
        yield f"{name} {fault}"


def _fault(key: str) -> str | None:
    if not (key.isascii() and key.isprintable()) or " " in key:
        return "has characters beside ASCII letters, digits and punctuation: no header carries them for certain"
    if len(key) < _SHORTEST_KEY:
        return f"is shorter than {_SHORTEST_KEY} characters"
    return None

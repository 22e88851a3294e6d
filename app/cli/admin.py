"""`flowspan admin`: acts on a running gateway, by its admin API."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import click

from app.cli.files import reading, stop, unreadable

if TYPE_CHECKING:
    from app.admin.client import AdminClient

URL = "http://127.0.0.1:4002"
KEY = "FLOWSPAN_ADMIN_KEY"
_DIFFERS = 3
"""The exit status where a reload would change something, as `flowspan check --diff` has it."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class _Duration(click.ParamType[float]):
    """A time such as 30, 90s, 10m, 2h, 1d, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number, unit = (value[:-1], _UNITS[value[-1]]) if value[-1:] in _UNITS else (value, 1.0)
        try:
            seconds = float(number) * unit
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= 30 * _UNITS["d"]:
            self.fail(f"{value!r} is no time up to 30 days, such as 90s, 10m or 2h", param, ctx)
        return seconds


class _Session:
    """Which gateway is asked, and how its answers are shown."""

    def __init__(self, client: "AdminClient", *, as_json: bool) -> None:
        self._client = client
        self._as_json = as_json

    def look(self, path: str, table: str, **query: object) -> dict[str, Any]:
        """Show what is there, by one of the tables, and return it."""
        wanted = urlencode({name: value for name, value in query.items() if value is not None})
        return self._show(lambda: self._client.get(f"{path}?{wanted}" if wanted else path), table)

    def act(
        self,
        path: str,
        table: str,
        fields: Mapping[str, object] | None = None,
        method: str = "POST",
    ) -> None:
        """Have something done, and show what became of it."""
        self._show(lambda: self._client.send(method, path, fields), table)

    def _show(self, ask: Callable[[], dict[str, Any]], table: str) -> dict[str, Any]:
        from app.admin.client import ActRefused, Unreachable
        from app.admin.tables import TABLES
        from app.live_view.inert import inert

        try:
            outcome = ask()
        except ActRefused as error:
            click.echo(inert(str(error)), err=True)
            sys.exit(1)
        except Unreachable as error:
            stop(inert(str(error)))
        if self._as_json:
            import msgspec

            click.echo(msgspec.json.format(msgspec.json.encode(outcome), indent=2).decode())
            return outcome
        for line in TABLES[table](outcome):
            click.echo(line)
        return outcome


_session = click.make_pass_decorator(_Session)


@click.group()
@click.option("--url", metavar="URL", help=f"Where the admin API is, by default {URL}.")
@click.option("--socket", metavar="PATH", help="The Unix socket of the admin API, in place of a URL.")
@click.option("--config", metavar="FILE", help="The gateway's configuration: its address and key are taken from it.")
@click.option("--key-file", metavar="FILE", help=f"A file with the key, which else is taken from {KEY}.")
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@click.pass_context
def admin(
    context: click.Context, url: str | None, socket: str | None, config: str | None, key_file: str | None, as_json: bool
) -> None:
    """Act on a running gateway: its keys, breakers, deployments, requests, log and configuration.

    It ends with 0 if that was done, with 1 if the gateway refuses it, and with 2 where it could not be asked or could
    not see to it.
    """
    from app.admin.client import AdminClient, Unreachable

    if sum(one is not None for one in (url, socket)) > 1:
        stop("give --url or --socket, not both")
    key = _key(key_file)
    if config is not None:
        url, socket, key = _configured(config, url, socket, key)
    at = socket or url or URL
    try:
        context.obj = _Session(AdminClient(at, key, is_socket=socket is not None), as_json=as_json)
    except Unreachable as error:
        stop(str(error))


def _key(file: str | None) -> str | None:
    if file is None:
        return os.environ.get(KEY) or None
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return stop(unreadable(file, error))


def _configured(
    file: str, url: str | None, socket: str | None, key: str | None
) -> tuple[str | None, str | None, str | None]:
    """URL, socket and key of a configuration, as far as the command line has none."""
    from app.admin.client import url_of
    from app.configuration import load

    with reading(file):
        settings = load(file, needs_environment=False).settings.admin
    if not settings.is_served:
        stop(f"{file} has no admin API: set gateway.admin.key or gateway.admin.socket")
    if url is None and socket is None:
        socket = settings.socket
        url = None if socket is not None else url_of(settings)
    return url, socket, key or settings.key


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


@admin.command()
@_session
def status(session: _Session) -> None:
    """What serves: version, processes, configuration."""
    session.look("/v1/status", "status")


@admin.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> None:
    """List the keys of callers, or revoke and restore one."""
    if context.invoked_subcommand is None:
        context.obj.look("/v1/keys", "keys")


@keys.command()
@click.argument("key")
@_session
def revoke(session: _Session, key: str) -> None:
    """Refuse a key (its name, or its id) at once, until it is restored or the gateway is started anew."""
    session.act(_path("keys", key, "revoke"), "revoked")


@keys.command()
@click.argument("key")
@_session
def restore(session: _Session, key: str) -> None:
    """Let a revoked key in again."""
    session.act(_path("keys", key, "restore"), "revoked")


@admin.command()
@click.argument("key")
@_session
def usage(session: _Session, key: str) -> None:
    """What the callers with a key have used."""
    session.look(_path("keys", key, "usage"), "usage")


@admin.group(invoke_without_command=True)
@click.pass_context
def breakers(context: click.Context) -> None:
    """List the breakers, or reset, open and release one."""
    if context.invoked_subcommand is None:
        context.obj.look("/v1/breakers", "breakers")


def _on_breaker(session: _Session, breaker: str, act: str, fields: Mapping[str, object] | None = None) -> None:
    session.act(_path("breakers", breaker, act), "breakers", fields)


@breakers.command()
@click.argument("breaker")
@_session
def reset(session: _Session, breaker: str) -> None:
    """Close a breaker, and forget what was counted."""
    _on_breaker(session, breaker, "reset")


@breakers.command("open")
@click.argument("breaker")
@click.option("--for", "seconds", type=_Duration(), help="For how long: 90s, 10m, 2h. Else until it is released.")
@_session
def open_(session: _Session, breaker: str, seconds: float | None) -> None:
    """Keep a breaker open: its deployment is not asked, whatever comes."""
    _on_breaker(session, breaker, "open", {} if seconds is None else {"seconds": seconds})


@breakers.command()
@click.argument("breaker")
@_session
def release(session: _Session, breaker: str) -> None:
    """Have a breaker that was opened by hand let probes through."""
    _on_breaker(session, breaker, "release")


@admin.group(invoke_without_command=True)
@click.pass_context
def deployments(context: click.Context) -> None:
    """List the deployments, or drain, restore and weigh one."""
    if context.invoked_subcommand is None:
        context.obj.look("/v1/deployments", "deployments")


def _on_deployment(session: _Session, id: str, act: str, fields: Mapping[str, object] | None = None) -> None:
    session.act(_path("deployments", id, act), "deployments", fields)


@deployments.command()
@click.argument("deployment")
@_session
def drain(session: _Session, deployment: str) -> None:
    """Send nobody to a deployment any more; streams that are open go on."""
    _on_deployment(session, deployment, "drain")


@deployments.command("restore")
@click.argument("deployment")
@_session
def restore_deployment(session: _Session, deployment: str) -> None:
    """End a drain."""
    _on_deployment(session, deployment, "restore")


@deployments.command()
@click.argument("deployment")
@click.argument("weight")
@_session
def weight(session: _Session, deployment: str, weight: str) -> None:
    """Have a deployment chosen by another weight: a number, or `configured`."""
    try:
        wanted = None if weight == "configured" else float(weight)
    except ValueError:
        stop(f"{weight!r} is neither a number nor `configured`")
    _on_deployment(session, deployment, "weight", {"weight": wanted})


@admin.group("in-flight", invoke_without_command=True)
@click.option("--key", metavar="NAME", help="Only those with a key of this name.")
@click.option("--limit", type=click.IntRange(1, 1000), help="How many are listed, 100 unless it is set.")
@click.pass_context
def in_flight(context: click.Context, key: str | None, limit: int | None) -> None:
    """List the requests in flight, or cancel one."""
    if context.invoked_subcommand is None:
        context.obj.look("/v1/requests", "requests", key=key, limit=limit)


@in_flight.command()
@click.argument("request", required=False)
@click.option("--key", metavar="NAME", help="All requests with a key of this name.")
@_session
def cancel(session: _Session, request: str | None, key: str | None) -> None:
    """End a request, by its id: its client gets an error."""
    if (request is None) == (key is None):
        stop("name a request, or a key with --key")
    path = _path("requests", request, "cancel") if request is not None else _path("keys", key or "", "cancel")
    session.act(path, "cancelled")


@admin.command("log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]), required=False)
@click.option("--for", "seconds", type=_Duration(), help="For how long: 90s, 10m, 2h. Else for good.")
@_session
def log_level(session: _Session, level: str | None, seconds: float | None) -> None:
    """Show the level of the gateway's log, or change it."""
    if level is None:
        session.look("/v1/log-level", "level")
        return
    fields: dict[str, object] = {"level": level} | ({} if seconds is None else {"seconds": seconds})
    session.act("/v1/log-level", "level", fields, "PUT")


@admin.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@_session
def reload(session: _Session, dry_run: bool) -> None:
    """Have the gateway read its configuration anew. With --dry-run the exit status is 3 where something would change, a
    change that needs a restart included."""
    if not dry_run:
        session.act("/v1/reload", "reloaded")
        return
    from app.admin.tables import would_change

    if would_change(session.look("/v1/reload", "changes")):
        sys.exit(_DIFFERS)


@admin.command("restart-workers")
@_session
def restart_workers(session: _Session) -> None:
    """Have workers replaced one by one; no request is lost."""
    session.act("/v1/workers/restart", "replaced")


@admin.command()
@click.option("--limit", type=click.IntRange(1, 1000), help="How many lines are listed, 50 unless it is set.")
@_session
def audit(session: _Session, limit: int | None) -> None:
    """List the latest acts, and who asked for them."""
    session.look("/v1/audit", "audit", limit=limit)

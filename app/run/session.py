"""A run, from its start to its end: the gateway, the program before it, and what it came to."""

import os
import secrets
import signal
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from time import monotonic, time

from msgspec.structs import replace

from app.configuration import Configuration, export
from app.run.agents import Launch, agent_of, launch, refuse_unsupported
from app.run.child import Child, NotStarted
from app.run.codex import CodexSettings
from app.run.gateway import HOST, RunGateway
from app.run.log import RunLog
from app.run.summary import summary
from app.run.upstreams import configuration, why_not_exported
from app.settings import ConsoleSettings, Key, Port, RecorderSettings, Seconds, Settings
from telemetry.names.variables import SDK_DISABLED

_DRAIN = Seconds(1)


@dataclass(frozen=True)
class Wishes:
    """What a command line asks for beside the program."""

    policies: tuple[str, ...] = ()
    record: str = "memory"
    console: bool = True
    console_port: int = 0
    opens_console: bool = False
    """Whether a browser is opened."""
    keep: bool = False
    """Whether the console stays when the program has ended."""
    quiet: bool = False


def run(command: Sequence[str], wishes: Wishes, configured: Configuration | None, environ: Mapping[str, str]) -> int:
    """Run a program before a gateway, and return its exit status. `environ` is the program's environment, as it was
    before the gateway had its part. Raises Unsupported, ConfigurationRefused and GatewayFailed."""
    agent = agent_of(command)
    refuse_unsupported(agent[0])
    codex = CodexSettings.read(environ)
    if (reason := why_not_exported(environ)) is not None:
        _report(f"warning: {reason}")
        os.environ[SDK_DISABLED] = "true"
    upstreams = {**environ, SDK_DISABLED: os.environ.get(SDK_DISABLED, "")}
    found = configured or configuration(upstreams, wishes.policies, codex.base_url if agent[0] == "codex" else None)
    export(found.environment)
    settings = _settings(found.settings, wishes, configured is not None)
    key = settings.keys[0].secret if settings.keys else None
    log = RunLog()
    gateway = None
    try:
        gateway = RunGateway(settings, log)
        launched = launch(command, agent, gateway.url, environ, key, codex)
        _announce(launched, gateway.console_url, wishes)
        began, started_at = monotonic(), time()
        status = Child(launched.command, launched.environment(environ)).wait()
        if not wishes.quiet:
            seconds, name = monotonic() - began, agent[0] or os.path.basename(command[0])
            _report(summary(name, seconds, log.totals, gateway.recorded(started_at)))
        if wishes.keep and gateway.console_url is not None:
            _keep(gateway.console_url)
    except NotStarted as error:
        _report(f"flowspan run: {error}")
        return error.status
    finally:
        if gateway is not None:
            gateway.close()
        file = log.finish()
        if file is not None and not wishes.quiet:
            _report(f"the gateway's log: {file}")
    return status


def _settings(settings: Settings, wishes: Wishes, is_configured: bool) -> Settings:
    """The settings for a run: on loopback, and for the program alone where the gateway's own credentials are used."""
    for_program = is_configured and not any(one.credentials == "client" for one in settings.deployments)
    keys = (Key.in_clear(secrets.token_hex(16), "run"),) if for_program else ()
    server = replace(settings.server, host=HOST, port=0, lame_duck=Seconds(0), drain_timeout=_DRAIN)
    # All of the session, whatever a gateway for many would leave out.
    recorder = RecorderSettings(store=wishes.record, concealed=settings.recorder.concealed)
    telemetry = replace(settings.telemetry, log_level="info")
    console = ConsoleSettings(enabled=wishes.console, port=Port(wishes.console_port))
    return replace(settings, keys=keys, server=server, recorder=recorder, telemetry=telemetry, console=console)


def _announce(launched: Launch, console: str | None, wishes: Wishes) -> None:
    for warning in launched.warnings:
        _report(f"warning: {warning}")
    if wishes.opens_console and console is not None and not webbrowser.open(console):
        _report("warning: no browser could be opened")
    if not wishes.quiet:
        _report(f"flowspan: see it at {console}" if console is not None else "flowspan: runs without a console")
        _report(f"          set for the program: {', '.join(launched.variables)}")


def _keep(console: str) -> None:
    """Wait until a signal ends it."""
    _report(f"the console stays at {console} until you press Ctrl-C")
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

"""The gateway of a run, from its start to its end, and the program before it."""

import os
import secrets
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from msgspec.structs import replace

from app.configuration import Configuration, export
from app.main import create_app, make_telemetry
from app.policies import load_policies
from app.run.agents import Launch, agent_of, launch
from app.run.child import Child, NotStarted
from app.run.codex import CodexSettings
from app.run.log import RunLog
from app.run.summary import summary
from app.run.upstreams import configuration
from app.serving.in_thread import GatewayThread
from app.settings import Key, Seconds, Settings

_HOST = "127.0.0.1"
_ENDED = 1.0
"""Seconds that the last requests of a program have to end."""


@dataclass(frozen=True)
class Wishes:
    """What a command line asks for beside the program."""

    policies: tuple[str, ...] = ()
    record: str = "memory"
    quiet: bool = False
    keep: bool = False


def run(command: Sequence[str], wishes: Wishes, configured: Configuration | None, environ: Mapping[str, str]) -> int:
    """Run a program before a gateway, and return its exit status. Raises Unsupported, ConfigurationRefused and
    GatewayFailed."""
    codex = CodexSettings.read(environ)
    agent = agent_of(command)
    asks_codex_server = codex.base_url if agent[0] == "codex" else None
    found = configured or configuration(environ, wishes.policies, asks_codex_server)
    export(found.environment)
    settings = _settings(found.settings, wishes, configured is not None)
    key = settings.keys[0].secret if settings.keys else None
    log = RunLog()
    telemetry = make_telemetry(settings, load_policies(settings.policies), log_stream=log.stream)
    log.install()
    gateway = GatewayThread(settings, create_app(settings, telemetry), _listening())
    try:
        gateway.start()
        launched = launch(command, agent, gateway.url, environ, key, codex)
        _announce(launched, gateway.url, wishes)
        began = monotonic()
        status = _status_of(launched, environ)
        seconds = monotonic() - began
    finally:
        gateway.stop()
        file = log.finish()
    if not wishes.quiet:
        _report(summary(os.path.basename(command[0]), seconds, log.totals))
        if file is not None:
            _report(f"log of this run: {file}")
    return status


def _settings(settings: Settings, wishes: Wishes, is_configured: bool) -> Settings:
    """The settings for a run: on loopback, and for the program alone where the gateway's own credentials are used."""
    for_program = is_configured and not any(one.credentials == "client" for one in settings.deployments)
    keys = (Key.in_clear(secrets.token_hex(16), "run"),) if for_program else ()
    server = replace(settings.server, host=_HOST, port=0, lame_duck=Seconds(0), drain_timeout=Seconds(_ENDED))
    recorder = replace(settings.recorder, store=wishes.record)
    telemetry = replace(settings.telemetry, log_level="info")
    return replace(settings, keys=keys, server=server, recorder=recorder, telemetry=telemetry)


def _status_of(launched: Launch, environ: Mapping[str, str]) -> int:
    try:
        return Child(launched.command, launched.environment(environ)).wait()
    except NotStarted as error:
        _report(f"flowspan run: {error}")
        return error.status


def _announce(launched: Launch, url: str, wishes: Wishes) -> None:
    for warning in launched.warnings:
        _report(f"warning: {warning}")
    if not wishes.quiet:
        _report(f"flowspan: gateway on {url}, for {', '.join(launched.variables)}")


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _listening() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind((_HOST, 0))
    return listening

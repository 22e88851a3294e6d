"""The gateway of a run with its console, in this process and on free ports of loopback."""

import socket
from time import monotonic, sleep

from app.console import Console, ConsoleServer
from app.main import create_app, make_telemetry
from app.policies import load_policies
from app.recorder.stores import StoreFailed
from app.run.log import RunLog
from app.run.recorded import Recorded, recorded
from app.serving.in_thread import GatewayFailed, GatewayThread
from app.settings import Settings

HOST = "127.0.0.1"
_ENDING = 1.0
"""Seconds that the last requests of a program have to end: it has gone, so nobody waits for their answers."""
_WRITING = 3.0
"""Seconds that the last recordings have to be written."""


class RunGateway:
    """Serves once it is made. Raises GatewayFailed where it cannot start."""

    def __init__(self, settings: Settings, log: RunLog) -> None:
        telemetry = make_telemetry(settings, load_policies(settings.policies), log_stream=log.stream)
        log.install()
        self._log = log
        try:
            app = create_app(settings, telemetry)
        except StoreFailed as error:
            raise GatewayFailed(f"recordings cannot be kept: {error}") from None
        self._gateway = gateway = app.gateway
        self._thread = GatewayThread(settings, app, _listening())
        self._thread.start()
        self.url = self._thread.url
        self._console: ConsoleServer | None = None
        if settings.console.enabled:
            try:
                self._console = ConsoleServer(
                    Console(settings, telemetry, gateway.recorder, gateway.policy_names, gateway.capture)
                )
                app.show_console(self._console.url)
            except OSError as error:
                self._thread.stop()
                raise GatewayFailed(str(error.strerror)) from None

    @property
    def console_url(self) -> str | None:
        return None if self._console is None else self._console.url

    def recorded(self, since: float) -> Recorded:
        """What the recordings since then say, in Unix time, once the last requests have ended and are written."""
        deadline = monotonic() + _ENDING
        while len(self._gateway.in_flight) and monotonic() < deadline:
            sleep(0.01)
        recorder = self._gateway.recorder
        if recorder is None:
            return Recorded()
        deadline = monotonic() + _WRITING
        while recorder.written + recorder.losses.total() < self._log.totals.requests and monotonic() < deadline:
            recorder.wait_for_more(recorder.written, 0.1)
        try:
            return recorded(recorder.store, since)
        except StoreFailed as error:
            return Recorded(failures=(f"The recordings cannot be read: {error}",))

    def close(self) -> None:
        if self._console is not None:
            self._console.close()
        self._thread.stop()


def _listening() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind((HOST, 0))
    return listening

"""A visitor of the console without sockets: asks its ASGI application as a browser on this machine does."""

from collections.abc import Mapping
from typing import Any

import httpx
from msgspec.structs import replace

from app.console import Console
from app.console.application import make_app
from app.recorder.recorder import Recorder
from app.settings import ConsoleSettings, ServerSettings, Settings
from telemetry import Telemetry, setup
from tests.support import run

HOST = "127.0.0.1:4001"
PAGE = {"accept": "text/html,application/xhtml+xml"}


class Browser:
    """`with_token` is the console's token."""

    def __init__(
        self,
        recorder: Recorder | None = None,
        *,
        token: str | None = None,
        telemetry: Telemetry | None = None,
        allowed_hosts: tuple[str, ...] = (),
    ) -> None:
        settings = replace(
            Settings(), console=ConsoleSettings(token=token), server=ServerSettings(allowed_hosts=allowed_hosts)
        )
        self.console = Console(settings, telemetry or setup(), recorder)
        self._app = make_app(self.console)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        """Send a form, as a page of the console does."""
        return self.ask("POST", path, headers={"origin": f"http://{HOST}", **headers}, data=fields)

    def ask(self, method: str, path: str, *, headers: Mapping[str, str], **options: Any) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                return await client.request(method, path, headers={**PAGE, **sent}, **options)

        return run(asked())

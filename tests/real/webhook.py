"""What Alertmanager tells: a webhook's receiver, which keeps every notification."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Notice:
    """One alert of one notification. `status` is firing or resolved."""

    at: float
    receiver: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def alert(self) -> str:
        return self.labels["alertname"]


class Webhook:
    """`with Webhook() as webhook:`; `webhook.url` and a receiver's name make the address of that receiver."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Webhook":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def has(self, alert: str, status: str) -> bool:
        return any(notice.alert == alert and notice.status == status for notice in self.notices)

    def wait_for(self, alert: str, status: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self.has(alert, status):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody was notified that {alert} is {status} within {timeout:g} s")
            time.sleep(0.1)

    def take(self, receiver: str, body: dict[str, Any]) -> None:
        self.notices += [
            Notice(time.time(), receiver, alert["status"], alert["labels"], alert["annotations"])
            for alert in body["alerts"]
        ]


def _handler(webhook: Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            webhook.take(self.path.strip("/"), body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: tests read the notices."""

    return Handler

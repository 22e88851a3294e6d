"""A transaction that was opened ends, whatever happens in it; the application is called without a server."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from starlette.types import Message

from app.configuration import parse
from app.gateway import GatewayApp
from app.main import create_app
from telemetry import setup
from tests.support import run

CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


class Client:
    """One request, as an ASGI server hands it over. After its body it is silent."""

    def __init__(self, body: object = None, path: str = CHAT, method: str = "POST", key: str = "k") -> None:
        self._body = None if body is None else json.dumps(body).encode()
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "scheme": "http",
            "headers": [(b"host", b"localhost"), (b"x-api-key", key.encode())],
        }
        self.messages: list[Message] = []
        self.is_waiting = asyncio.Event()

    async def receive(self) -> Message:
        if self._body is None:
            self.is_waiting.set()
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int | None:
        return next((message["status"] for message in self.messages if "status" in message), None)


@pytest.fixture
def app() -> GatewayApp:
    model = {"model_name": "m", "litellm_params": {"model": "simulated/echo"}}
    settings = parse(json.dumps({"model_list": [model], "gateway": {"keys": ["k"]}})).settings
    return create_app(settings, setup())


def ended(app: GatewayApp) -> Mapping[str, float]:
    """How many transactions ended, by their outcome."""
    metrics = app.gateway.telemetry.registry.restricted_registry(["flowspan_requests_total"]).collect()
    found: dict[str, float] = {}
    for sample in (sample for metric in metrics for sample in metric.samples):
        if sample.value and sample.name.endswith("_total"):
            outcome = sample.labels["outcome"]
            found[outcome] = found.get(outcome, 0) + sample.value
    return found


@pytest.mark.parametrize(
    ("client", "status", "outcome"),
    [
        (lambda: Client(BODY), 200, "ok"),
        (lambda: Client({**BODY, "stream": True}), 200, "ok"),
        (lambda: Client(BODY, key="wrong"), 401, "client_error"),
        (lambda: Client(method="GET"), 405, "client_error"),
        (lambda: Client({**BODY, "model": "other"}), 404, "client_error"),
        (lambda: Client(path="/v1/responses/resp_1", method="PATCH"), 405, "client_error"),
        (lambda: Client({}, path="/v1/responses/a b", method="GET"), 404, "client_error"),
    ],
    ids=["whole", "streamed", "wrong key", "wrong method", "unknown model", "wrong method of a kept one", "no id"],
)
def test_every_way_through_ends_the_transaction_once(
    app: GatewayApp, client: "type[Client]", status: int, outcome: str
) -> None:
    async def main() -> Client:
        made = client()
        await app(made.scope, made.receive, made.send)
        return made

    assert run(main()).status == status
    assert ended(app) == {outcome: 1}
    assert app.gateway.telemetry.snapshot().streams == ()
    assert (len(app.gateway.in_flight), app.gateway.bodies.used) == (0, 0)


def test_one_that_is_cancelled_from_outside_ends_too(app: GatewayApp) -> None:
    async def main() -> None:
        client = Client()
        serving = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await client.is_waiting.wait()
        assert len(app.gateway.telemetry.snapshot().streams) == 1
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(main())
    assert len(ended(app)) == 1
    assert app.gateway.telemetry.snapshot().streams == ()


class Breaks(Client):
    """A client of whose request a part of the gateway makes `error`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(BODY)
        self._error = error

    async def receive(self) -> Message:
        raise self._error


def test_a_cancellation_that_nobody_asked_for_is_no_shutdown(app: GatewayApp) -> None:
    async def main() -> Client:
        client = Breaks(asyncio.CancelledError())
        await app(client.scope, client.receive, client.send)
        return client

    assert run(main()).status == 500
    assert ended(app) == {"internal_error": 1}


def test_what_is_to_end_more_than_the_exchange_is_no_good_end_of_it(app: GatewayApp) -> None:
    async def main() -> Client:
        client = Breaks(BaseException("ends"))
        with pytest.raises(BaseException, match="ends"):
            await app(client.scope, client.receive, client.send)
        return client

    assert run(main()).status == 500
    assert ended(app) == {"internal_error": 1}


def test_one_that_the_shutdown_stops_is_answered(app: GatewayApp) -> None:
    async def main() -> Client:
        client = Client()
        serving = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await client.is_waiting.wait()
        app.gateway.in_flight.drain(0)
        await serving
        return client

    assert run(main()).status == 503
    assert len(app.gateway.in_flight) == 0

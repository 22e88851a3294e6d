"""A running gateway is acted upon by its admin API and by the command, and each act is in the audit log."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import anthropic
import openai
import pytest
from click.testing import CliRunner

from app.cli import main
from tests.behaviour.administered import ADMIN_KEY, AdminApi, administered
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, dechunked, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.scripted import content_of

CI, PEOPLE = "gate-of-ci-mulberry", "gate-of-people-mulberry"
MODELS = [
    "m: {model: simulated/lorem-8+pace-60, order: 1}, model_info: {id: east}",
    "m: {model: simulated/lorem-8+pace-60, order: 2}, model_info: {id: west}",
    "down: {model: simulated/status-503}, model_info: {id: failing}",
    *simulated("echo", "stall-2"),
]
WITH_KEY = {"authorization": f"Bearer {CI}"}


def text(admin: str) -> str:
    keys = f"  keys: [{{name: ci, key: {CI}, team: build}}, {{name: people, key: {PEOPLE}}}]"
    return configuration(MODELS, f"{keys}\n  breakers: {{upstream: {{threshold: 2}}}}\n  admin: {admin}")


@dataclass
class Setup:
    gateway: RunningGateway
    api: AdminApi
    file: Path

    def lines(self, id: str | None = None) -> list[dict[str, Any]]:
        """The audit log, or one act of it."""
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [line for line in found if id in (None, line["id"])]

    def since(self, seen: int) -> list[tuple[str, str]]:
        """Act and result of the lines after so many."""
        return [(line["act"], line["result"]) for line in self.lines()[seen:]]

    def state(self, breaker: str) -> dict[str, Any]:
        listed = self.api.act("GET", "/v1/breakers")["breakers"]
        return next(one for one in listed if one["breaker"] == breaker)

    def chat(self, model: str, key: str = CI) -> int:
        return post(self.gateway, CHAT, ask(model), {"authorization": f"Bearer {key}"}).status

    def deployment_of(self, model: str) -> Any:
        reply = post(self.gateway, CHAT, ask(model), WITH_KEY)
        assert reply.status == 200
        attempt = self.gateway.transaction(reply.request_id).attempts[-1]
        return (attempt.attributes or {})["flowspan.deployment"]

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.act("GET", "/v1/requests")["requests"]
        return found


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    file = tmp_path_factory.mktemp("admin") / "audit.jsonl"
    with administered(text(f"{{port: 0, key: {ADMIN_KEY}, audit_log: {file}}}")) as (gateway, api):
        yield Setup(gateway, api, file)


@pytest.fixture(scope="module")
def socket_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminApi]:
    path = tmp_path_factory.mktemp("s") / "admin.sock"
    with administered(text(f"{{socket: {path}}}")) as (_, api):
        yield api


class Opened(RawClient):
    """A client with a stream whose first words have come: `first`."""

    def __init__(self, setup: Setup, model: str, path: str) -> None:
        super().__init__(setup.gateway)
        data = json.dumps(ask(model, path, stream=True)).encode()
        self.head(path, content_length=str(len(data)), connection="close", authorization=f"Bearer {CI}")
        self.send(data)
        self.first = self.read_until(b"lorem")


def opened(setup: Setup, model: str, path: str = CHAT) -> Opened:
    return Opened(setup, model, path)


def test_what_serves_is_told(setup: Setup) -> None:
    outcome = setup.api.act("GET", "/v1/status")
    (process,) = outcome["processes"]
    assert (process["pid"], process["keys"], process["deployments"]) == (os.getpid(), 2, 5)
    assert "serving" in setup.api.command("status").output


def test_keys_are_listed_with_what_they_were_used_for_and_never_shown(setup: Setup) -> None:
    assert setup.chat("echo") == 200
    setup.gateway.wait_until_idle()
    outcome = setup.api.act("GET", "/v1/keys")
    ci = next(key for key in outcome["keys"] if key["name"] == "ci")
    assert ci["team"] == "build"
    assert ci["requests"] >= 1
    assert ci["tokens"] > 0
    assert len(ci["id"]) == 8
    listed = setup.api.command("keys").output
    assert "ci" in listed
    for output in (json.dumps(outcome), listed):
        assert CI not in output
    usage = setup.api.act("GET", "/v1/keys/ci/usage")
    assert usage["requests"] >= ci["requests"]
    assert "ci: " in setup.api.command("usage", "ci").output


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_revoked_key_is_refused_at_once_and_what_it_has_open_goes_on(setup: Setup, path: str) -> None:
    header = {"x-api-key": CI} if path == MESSAGES else WITH_KEY
    client = opened(setup, "m", path)
    assert setup.api.act("POST", "/v1/keys/ci/revoke")["keys"][0]["revoked"]
    try:
        refused = post(setup.gateway, path, ask("echo", path), header)
        assert refused.status == 401
        assert "revoked" in refused.json()["error"]["message"]
        assert request(setup.gateway, "GET", "/v1/models", headers=header).status == 401
        assert setup.chat("echo", PEOPLE) == 200
        assert "revoked" in setup.api.command("keys").output
        with client:
            client.read_all()
    finally:
        restored = setup.api.command("keys", "restore", "ci")
    assert restored.exit_code == 0
    assert setup.chat("echo") == 200
    ended = setup.gateway.transaction(refused.request_id)
    assert ended["flowspan.key.name"] == "ci"
    assert setup.gateway.sample("flowspan_auth_failures_total", reason="revoked") >= 1


def test_a_key_without_such_a_name_is_not_revoked(setup: Setup) -> None:
    status, outcome = setup.api.ask("POST", "/v1/keys/cii/revoke")
    assert (status, outcome["error"]["type"]) == (409, "refused")
    assert outcome["error"]["message"] == "there is no key cii; did you mean ci?"
    result = setup.api.command("keys", "revoke", "cii")
    assert result.exit_code == 1
    _, outcome = setup.api.ask("POST", "/v1/keys/zzz/revoke")
    assert outcome["error"]["message"] == "there is no key zzz. Known: ci, people"


def test_a_breaker_is_forced_open_and_released(setup: Setup) -> None:
    before = setup.gateway.sample("flowspan_breaker_trips_total", breaker="echo", reason="forced")
    outcome = setup.api.act("POST", "/v1/breakers/echo/open", {"seconds": 600})
    assert (outcome["state"], outcome["reason"], outcome["forced"]) == ("open", "forced", True)
    refused = post(setup.gateway, CHAT, ask("echo"), WITH_KEY)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 500
    assert setup.gateway.sample("flowspan_breaker_trips_total", breaker="echo", reason="forced") == before + 1
    assert setup.gateway.sample("flowspan_breaker_state", breaker="echo", state="open") == 1
    released = setup.api.command("breakers", "release", "echo")
    assert (released.exit_code, "half open" in released.output) == (0, True)
    assert setup.chat("echo") == 200
    assert setup.state("echo")["state"] == "closed"
    assert setup.api.command("breakers", "release", "echo").exit_code == 1
    line = setup.gateway.log_line(breaker="echo", reason="forced")
    assert line["actor"] == "admin"


def test_a_breaker_that_opened_by_itself_is_reset(setup: Setup) -> None:
    while setup.state("failing")["state"] != "open":
        for key in (CI, PEOPLE):
            setup.chat("down", key)
    assert "consecutive failures" in setup.api.command("breakers").output
    assert setup.api.command("breakers", "reset", "failing").exit_code == 0
    reset = setup.state("failing")
    assert (reset["state"], reset["callers_kept_out"]) == ("closed", 0)


def test_a_drained_deployment_keeps_its_streams_and_gets_no_new_ones(setup: Setup) -> None:
    client = opened(setup, "m")
    with client:
        (listed,) = (one for one in setup.requests() if one["model"] == "m")
        assert listed["deployment"] == "east"
        drained = setup.api.act("POST", "/v1/deployments/east/drain")
        assert (drained["drained"], drained["in_flight"]) == (True, 1)
        assert setup.deployment_of("m") == "west"
        assert "drained" in setup.api.command("deployments").output
        client.read_all()
        ended = setup.gateway.transaction(listed["transaction_id"])
    assert ended.outcome == "ok"
    assert setup.api.command("deployments", "drain", "west").exit_code == 0
    refused = post(setup.gateway, CHAT, ask("m"), WITH_KEY)
    assert refused.status == 503
    assert "out of service" in refused.json()["error"]["message"]
    for id in ("west", "east"):
        assert setup.api.command("deployments", "restore", id).exit_code == 0
    assert setup.deployment_of("m") == "east"


def test_a_deployment_is_weighed_by_hand(setup: Setup) -> None:
    weighed = setup.api.act("POST", "/v1/deployments/echo/weight", {"weight": 0.25})
    assert (weighed["weight"], weighed["configured_weight"]) == (0.25, 1)
    assert "0.25 (configured 1)" in setup.api.command("deployments").output
    assert setup.api.command("deployments", "weight", "echo", "configured").exit_code == 0
    assert setup.api.command("deployments", "weight", "echo", "-1").exit_code in (1, 2)


def test_requests_in_flight_are_listed(setup: Setup) -> None:
    with opened(setup, "stall-2"):
        (listed,) = (one for one in setup.requests() if one["model"] == "stall-2")
        assert (listed["key"], listed["api"], listed["deployment"]) == ("ci", "openai_chat", "stall-2")
        assert (listed["waiting_for"], listed["stream"]) == ("upstream", True)
        assert listed["bytes_sent"] > 0
        assert listed["conversation"]
        assert listed["transaction_id"] in setup.api.command("in-flight").output
        assert setup.api.act("GET", "/v1/requests?key=people") == {"requests": [], "total": 0}
        assert setup.api.command("in-flight", "--key", "people").output == "none\n"
    until(lambda: not setup.requests(), "the client has left")


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_cancelled_stream_ends_with_an_error_event_in_its_dialect(setup: Setup, path: str) -> None:
    client = opened(setup, "stall-2", path)
    with client:
        (listed,) = setup.requests()
        id = listed["transaction_id"]
        cancelled = setup.api.command("in-flight", "cancel", id)
        assert (cancelled.exit_code, cancelled.output) == (0, "1 cancelled\n")
        body, complete = dechunked(client.first + client.read_all())
    assert complete
    _, _, error = content_of(path, body)
    assert error is not None
    assert "operator" in json.dumps(error)
    ended = setup.gateway.transaction(id)
    assert (ended.outcome, ended["error.type"]) == ("drained", "cancelled")
    assert setup.api.command("in-flight", "cancel", id).exit_code == 1


def test_the_sdks_do_not_make_a_cancelled_request_again(setup: Setup) -> None:
    hello: Any = [{"role": "user", "content": "hello"}]
    one = openai.OpenAI(base_url=f"{setup.gateway.url}/v1", api_key=CI)
    other = anthropic.Anthropic(base_url=setup.gateway.url, api_key=CI)
    with one, other:
        for call in (
            lambda: one.chat.completions.create(model="stall-2", messages=hello),
            lambda: other.messages.create(model="stall-2", max_tokens=9, messages=hello),
        ):
            before = setup.gateway.wait_until_idle()
            with _Cancelling(setup, "ci"), pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as raised:
                call()
            assert isinstance(raised.value, openai.APIStatusError | anthropic.APIStatusError)
            assert raised.value.status_code == 403
            assert setup.gateway.wait_until_idle() == before + 1


class _Cancelling:
    """Cancels all requests of a key, from another thread, once there are some."""

    def __init__(self, setup: Setup, key: str) -> None:
        self._setup = setup
        self._key = key
        self._thread = Thread(target=self._cancel)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(15)

    def _cancel(self) -> None:
        until(lambda: self._setup.requests(), "the request is in flight")
        assert self._setup.api.act("POST", f"/v1/keys/{self._key}/cancel") == {"cancelled": 1}


def test_the_log_has_another_level_for_a_time(setup: Setup) -> None:
    assert setup.api.act("GET", "/v1/log-level")["level"] == "info"
    outcome = setup.api.act("PUT", "/v1/log-level", {"level": "debug", "seconds": 0.2})
    assert (outcome["level"], outcome["then"]) == ("debug", "info")
    until(lambda: setup.api.act("GET", "/v1/log-level")["level"] == "info", "the level has fallen back")
    result = setup.api.command("log-level", "warning", "--for", "10m")
    assert result.output.startswith("warning, and info again in ")
    assert setup.api.command("log-level", "info").output == "info\n"
    assert setup.api.act("GET", "/v1/log-level")["seconds_left"] is None


def test_a_reload_is_refused_where_nothing_reads_the_configuration_anew(setup: Setup) -> None:
    result = setup.api.command("reload")
    assert result.exit_code == 1
    assert "restart it" in result.output


def test_each_act_has_its_lines_in_the_audit_log(setup: Setup) -> None:
    seen = len(setup.lines())
    setup.api.command("deployments", "drain", "echo")
    setup.api.command("deployments", "restore", "echo")
    setup.api.command("deployments", "drain", "north")
    setup.api.ask("GET", "/v1/keys")
    assert setup.since(seen) == [
        ("drain_deployment", "asked"),
        ("drain_deployment", "done"),
        ("restore_deployment", "asked"),
        ("restore_deployment", "done"),
        ("drain_deployment", "asked"),
        ("drain_deployment", "refused"),
        ("list_keys", "done"),
    ]
    line = setup.lines()[seen]
    assert (line["actor"], line["address"], line["arguments"]) == ("admin", "127.0.0.1", {"deployment": "echo"})
    assert setup.gateway.log_line(logger="flowspan.audit", id=line["id"])["act"] == "drain_deployment"
    assert setup.gateway.sample("flowspan_admin_acts_total", act="drain_deployment", result="refused") >= 1
    listed = setup.api.command("audit", "--limit", "3")
    assert len(listed.output.splitlines()) == 4
    assert "north" in listed.output


@pytest.mark.parametrize("key", [None, "wrong", CI])
def test_without_the_key_nothing_is_done_and_that_is_noted(setup: Setup, key: str | None) -> None:
    seen = len(setup.lines())
    status, outcome = setup.api.ask("POST", "/v1/deployments/echo/drain", key=key)
    assert (status, outcome["error"]["type"]) == (401, "denied")
    (line,) = setup.lines()[seen:]
    assert (line["act"], line["actor"], line["result"]) == ("authenticate", "unknown", "denied")
    assert CI not in setup.file.read_text()
    assert setup.chat("echo") == 200


def test_the_key_of_the_admin_api_is_no_callers_key(setup: Setup) -> None:
    assert setup.chat("echo", ADMIN_KEY) == 401


def test_no_page_of_a_browser_acts(setup: Setup) -> None:
    status, outcome = setup.api.ask("POST", "/v1/reload", headers={"origin": "http://127.0.0.1"})
    assert (status, outcome["error"]["type"]) == (403, "denied")


@pytest.mark.parametrize(
    ("method", "path", "fields", "status", "message"),
    [
        ("GET", "/v1/nothing", None, 404, "The admin API has no GET /v1/nothing."),
        ("DELETE", "/v1/keys", None, 405, "The admin API has no DELETE /v1/keys."),
        ("POST", "/v1/breakers/echo/open", {"seconds": -1}, 400, "seconds: expected `float` > 0.0"),
        ("POST", "/v1/breakers/echo/open", {"second": 1}, 400, "Object contains unknown field `second`"),
        ("POST", "/v1/breakers/echo/open", [1], 400, "The body is no JSON object."),
        ("PUT", "/v1/log-level", {}, 400, "Object missing required field `level`"),
        ("GET", "/v1/requests?limit=0", None, 400, "limit: expected `int` >= 1"),
        ("GET", "/v1/requests?limit=x", None, 400, "limit: expected `int`, got `str`"),
    ],
)
def test_what_is_no_act_is_an_error_that_says_why(
    setup: Setup, method: str, path: str, fields: object, status: int, message: str
) -> None:
    found, outcome = setup.api.ask(method, path, fields)
    assert (found, outcome["error"]["message"]) == (status, message)


def test_the_port_of_the_models_is_not_taken_for_the_admin_api(setup: Setup) -> None:
    result = AdminApi(setup.gateway.port).command("status")
    assert result.exit_code == 2
    assert "is no admin API of a Flowspan gateway" in result.output


def test_a_body_that_is_no_json_or_too_large_is_refused(setup: Setup) -> None:
    status, outcome = setup.api.ask("POST", "/v1/reload", "x" * 100_000)
    assert (status, "more than" in outcome["error"]["message"]) == (400, True)


def test_while_the_gateways_loop_stands_still_an_act_ends_in_time_and_says_so(setup: Setup) -> None:
    loop = setup.gateway.telemetry.loop
    assert loop is not None
    released = Event()
    loop.call_soon_threadsafe(released.wait, 10)
    seen = len(setup.lines())
    try:
        status, outcome = setup.api.ask("POST", "/v1/deployments/echo/drain")
    finally:
        released.set()
    assert (status, outcome["error"]["type"]) == (503, "not_performed")
    assert "stood still for 2 s" in outcome["error"]["message"]
    assert setup.since(seen) == [("drain_deployment", "asked"), ("drain_deployment", "failed")]
    assert setup.chat("echo") == 200


def test_whoever_may_open_the_socket_acts_without_a_key(socket_api: AdminApi) -> None:
    assert isinstance(socket_api.at, Path)
    assert socket_api.at.stat().st_mode & 0o777 == 0o600
    status, _ = socket_api.ask("POST", "/v1/deployments/echo/drain", key=None)
    assert status == 200
    assert "drained" in socket_api.command("deployments").output
    (entry, *_) = socket_api.act("GET", "/v1/audit")["entries"]
    assert entry["actor"] == f"uid {os.getuid()}"
    assert entry["address"] == f"pid {os.getpid()}"


def test_programs_get_what_the_api_answers(socket_api: AdminApi) -> None:
    result = socket_api.command("--json", "breakers")
    assert json.loads(result.output) == socket_api.act("GET", "/v1/breakers")


def test_a_configuration_says_where_the_admin_api_is(setup: Setup, tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    port = setup.api.at
    file.write_text(text(f"{{port: {port}, key: os.environ/THE_ADMIN_KEY}}"))
    for environment, status in (({"THE_ADMIN_KEY": ADMIN_KEY}, 0), ({"THE_ADMIN_KEY": "another-0123456789"}, 2)):
        result = CliRunner(env={**environment, "FLOWSPAN_ADMIN_KEY": ""}).invoke(
            main, ["admin", "--config", str(file), "status"]
        )
        assert result.exit_code == status, result.output
    (tmp_path / "key").write_text(f"{ADMIN_KEY}\n")
    words = ["admin", "--url", f"127.0.0.1:{port}", "--key-file", str(tmp_path / "key"), "status"]
    assert CliRunner(env={"FLOWSPAN_ADMIN_KEY": "wrong"}).invoke(main, words).exit_code == 0
    file.write_text(text("{port: 4002}"))
    result = CliRunner().invoke(main, ["admin", "--config", str(file), "status"])
    assert (result.exit_code, "has no admin API" in result.output) == (2, True)


def test_too_many_wrong_keys_shut_an_address_out(tmp_path: Path) -> None:
    with administered(text(f"{{port: 0, key: {ADMIN_KEY}}}")) as (_, api):
        assert {api.ask("GET", "/v1/status", key="wrong")[0] for _ in range(10)} == {401}
        status, outcome = api.ask("GET", "/v1/status")
        assert (status, outcome["error"]["type"]) == (429, "denied")
        result = api.command("status")
        assert (result.exit_code, "Too many wrong keys" in result.output) == (2, True)

"""The admin API of gateways that are processes of their own: of one, and of several workers."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.behaviour.administered import AdminApi
from tests.behaviour.clients import CHAT, RawClient, ask, post
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import COMMAND, Served

CI = "gate-of-ci-mulberry"
HEADERS = {"authorization": f"Bearer {CI}"}
SERVER = "  server: {lame_duck: 0, drain_timeout: 200ms%s}\n  console: off\n"
KEYS = f"  keys: [{{name: ci, key: {CI}}}, {{name: people, key: gate-of-people-mulberry}}]\n"


def text(folder: Path, server: str = "") -> str:
    admin = f"  admin: {{socket: {folder / 'admin.sock'}, audit_log: {folder / 'audit.jsonl'}}}"
    return configuration(simulated("echo", "stall-2"), SERVER % server + KEYS + admin)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def statuses(served: Served) -> set[int]:
    """How several requests on connections of their own are answered, by whichever worker."""
    return {post(served, CHAT, ask("echo"), HEADERS).status for _ in range(12)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("w")


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[Served]:
    with Served(folder, text(folder, ", workers: 2")) as served:
        api = AdminApi(folder / "admin.sock")
        until(lambda: (folder / "admin.sock").exists() and len(pids(api)) == 2, "two workers serve", 60)
        yield served


@pytest.fixture
def api(workers: Served, folder: Path) -> AdminApi:
    return AdminApi(folder / "admin.sock")


def pids(api: AdminApi) -> set[int]:
    return {process["pid"] for process in api.act("GET", "/v1/status")["processes"]}


def test_a_key_is_revoked_at_all_workers_and_at_one_that_takes_the_place_of_another(
    workers: Served, api: AdminApi
) -> None:
    api.act("POST", "/v1/keys/ci/revoke")
    try:
        assert statuses(workers) == {401}
        before = pids(api)
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(pids(api) - before) == 1 and len(pids(api)) == 2, "the worker is replaced", 60)
        assert statuses(workers) == {401}
    finally:
        api.act("POST", "/v1/keys/ci/restore")
    assert statuses(workers) == {200}


def test_a_breaker_that_is_forced_open_trips_once_and_is_open_at_all(workers: Served, api: AdminApi) -> None:
    before = trips(workers)
    assert api.act("POST", "/v1/breakers/echo/open")["forced"]
    assert statuses(workers) == {503}
    (listed,) = (one for one in api.act("GET", "/v1/breakers")["breakers"] if one["breaker"] == "echo")
    assert (listed["state"], listed["reason"], listed["forced"]) == ("open", "forced", True)
    assert trips(workers) == before + 1
    assert api.act("POST", "/v1/breakers/echo/release")["released"]
    assert statuses(workers) == {200}
    status, outcome = api.ask("POST", "/v1/breakers/echo/release")
    assert (status, "is not forced open" in outcome["error"]["message"]) == (409, True)
    api.act("POST", "/v1/breakers/echo/open")
    assert api.act("POST", "/v1/breakers/echo/reset")["state"] == "closed"
    assert statuses(workers) == {200}


def trips(served: Served) -> float:
    with urlopen(f"http://127.0.0.1:{served.metrics_port}/metrics", timeout=15) as response:
        for line in response.read().decode().splitlines():
            if (
                line.startswith("flowspan_breaker_trips_total{")
                and 'breaker="echo"' in line
                and 'reason="forced"' in line
            ):
                return float(line.rpartition(" ")[2])
    return 0.0


def test_a_request_is_listed_and_cancelled_wherever_it_is(workers: Served, api: AdminApi) -> None:
    clients = [RawClient(workers) for _ in range(6)]
    for client in clients:
        data = json.dumps(ask("stall-2", stream=True)).encode()
        client.head(CHAT, content_length=str(len(data)), connection="close", authorization=f"Bearer {CI}")
        client.send(data)
        client.read_until(b"lorem")
    listed = api.act("GET", "/v1/requests")
    assert listed["total"] == 6
    assert api.act("GET", "/v1/deployments")["deployments"][1]["in_flight"] == 6
    first, *_ = listed["requests"]
    assert api.act("POST", f"/v1/requests/{first['transaction_id']}/cancel") == {"cancelled": 1}
    assert api.ask("POST", f"/v1/requests/{first['transaction_id']}x/cancel")[0] == 409
    until(lambda: api.act("GET", "/v1/requests")["total"] == 5, "the first one has ended")
    assert api.act("POST", "/v1/keys/ci/cancel") == {"cancelled": 5}
    for client in clients:
        with client:
            assert b"operator" in client.read_all()


def test_the_configuration_is_read_anew_by_all_and_the_log_has_who_asked(
    workers: Served, api: AdminApi, folder: Path
) -> None:
    before = workers.file.read_text()
    try:
        workers.file.write_text(before.replace("stall-2", "stall-3"))
        preview = api.act("GET", "/v1/reload")
        outcome = api.act("POST", "/v1/reload")
        assert any("stall-3" in line for line in outcome["changed"])
        assert preview == {**outcome, "generation": outcome["generation"] - 1}
        generations = {process["generation"] for process in api.act("GET", "/v1/status")["processes"]}
        assert generations == {outcome["generation"]}
        workers.file.write_text("model_list: nothing")
        status, refused = api.ask("POST", "/v1/reload")
        assert (status, "model_list" in refused["error"]["message"]) == (409, True)
    finally:
        workers.file.write_text(before)
    workers.send(signal.SIGHUP)

    def last() -> dict[str, Any]:
        return lines(folder)[-1]

    until(lambda: (last()["actor"], last()["act"], last()["result"]) == ("SIGHUP", "reload", "done"), "it is noted", 30)


def test_workers_are_replaced_one_by_one_and_what_was_done_by_hand_stays(workers: Served, api: AdminApi) -> None:
    before = pids(api)
    api.act("POST", "/v1/deployments/echo/drain")
    try:
        replaced = api.command("restart-workers")
        assert (replaced.exit_code, "2 workers replaced" in replaced.output) == (0, True)
        until(lambda: not pids(api) & before and len(pids(api)) == 2, "all workers are new", 60)
        assert statuses(workers) == {503}
        (echo,) = (one for one in api.act("GET", "/v1/deployments")["deployments"] if one["deployment"] == "echo")
        assert echo["drained"]
    finally:
        api.act("POST", "/v1/deployments/echo/restore")
    assert statuses(workers) == {200}


def test_what_was_counted_by_the_supervisor_is_among_the_metrics(workers: Served, api: AdminApi) -> None:
    api.act("GET", "/v1/keys")
    with urlopen(f"http://127.0.0.1:{workers.metrics_port}/metrics", timeout=15) as response:
        text = response.read().decode()
    (line,) = (one for one in text.splitlines() if 'act="list_keys",result="done"' in one)
    assert float(line.rpartition(" ")[2]) >= 1


@pytest.mark.parametrize("server", ["", ", workers: 1"])
def test_a_dry_run_tells_what_a_reload_would_change_and_changes_nothing(tmp_path: Path, server: str) -> None:
    before = text(tmp_path, server)
    with Served(tmp_path, before) as served:
        api = AdminApi(tmp_path / "admin.sock")
        until(lambda: (tmp_path / "admin.sock").exists() and api.ask("GET", "/v1/status")[0] == 200, "it serves", 30)

        def dry_run() -> tuple[int, str]:
            result = api.command("reload", "--dry-run")
            return result.exit_code, result.output

        code, output = dry_run()
        assert (code, output) == (0, "nothing would change: generation 1 of the configuration is in use\n")
        served.file.write_text(before.replace("stall-2", "stall-3").replace("console: off", "console: {port: 1}"))
        code, output = dry_run()
        assert code == 3
        assert output.startswith("a reload would change this, after generation 1 of the configuration\n")
        assert "\n  deployment stall-3 added: model_name stall-3, simulated/stall-3\n" in output
        assert "\n  needs a restart: gateway.console.port: 4001 -> 1\n" in output
        served.file.write_text("model_list: [")
        code, output = dry_run()
        assert code == 1
        assert "flowspan.yaml:2: " in output
        assert [process["generation"] for process in api.act("GET", "/v1/status")["processes"]] == [1]
        with urlopen(f"http://127.0.0.1:{served.metrics_port}/metrics", timeout=15) as response:
            counted = re.findall(r"flowspan_config_reloads_total\{.*\} (\S+)", response.read().decode())
        assert set(counted) == {"0.0"}
        served.file.write_text(before)
        assert dry_run()[0] == 0


def test_one_process_notes_its_signals_frees_its_socket_and_keeps_others_from_it(tmp_path: Path) -> None:
    with Served(tmp_path, text(tmp_path)) as served:
        api = AdminApi(tmp_path / "admin.sock")
        assert pids(api) == {served.process.pid}
        served.file.write_text(served.file.read_text().replace("stall-2", "stall-3"))
        served.send(signal.SIGHUP)
        until(lambda: len(lines(tmp_path)) >= 3 and lines(tmp_path)[-1]["result"] == "done", "it is read anew", 30)
        assert [(line["actor"], line["act"]) for line in lines(tmp_path)[-2:]] == [("SIGHUP", "reload")] * 2
        status, outcome = api.ask("POST", "/v1/workers/restart")
        assert (status, "without workers" in outcome["error"]["message"]) == (409, True)
        second = subprocess.run(
            [*COMMAND, "serve", str(served.file), "--port", "0", "--metrics-port", "0"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 2
        assert b"the admin API cannot listen on" in second.stderr
        assert b"another process serves it" in second.stderr
        assert pids(api) == {served.process.pid}
        served.send(signal.SIGINT)
        served.end()
    assert not (tmp_path / "admin.sock").exists()


@pytest.mark.parametrize("server", ["", ", workers: 1"])
def test_while_the_gateway_ends_it_can_be_seen_what_it_waits_for_and_that_can_be_ended(
    tmp_path: Path, server: str
) -> None:
    with Served(tmp_path, text(tmp_path, server).replace("200ms", "60s")) as served:
        api = AdminApi(tmp_path / "admin.sock")
        until((tmp_path / "admin.sock").exists, "the admin API is there", 30)
        with RawClient(served) as client:
            data = json.dumps(ask("stall-2", stream=True)).encode()
            client.head(CHAT, content_length=str(len(data)), connection="close", authorization=f"Bearer {CI}")
            client.send(data)
            client.read_until(b"lorem")
            served.send(signal.SIGTERM)
            until(lambda: all(one["leaving"] for one in api.act("GET", "/v1/status")["processes"]), "it leaves", 30)
            (listed,) = api.act("GET", "/v1/requests")["requests"]
            assert api.act("POST", f"/v1/requests/{listed['transaction_id']}/cancel") == {"cancelled": 1}
            assert b"operator" in client.read_all()
        served.end()
        assert served.process.returncode == 0


def test_a_gateway_whose_audit_log_cannot_be_written_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    file = tmp_path / "f.yaml"
    for server in ("", ", workers: 1"):
        file.write_text(text(tmp_path, server))
        ended = subprocess.run(
            [*COMMAND, "serve", str(file), "--port", "0", "--metrics-port", "0"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2
        assert b"the audit log" in ended.stderr

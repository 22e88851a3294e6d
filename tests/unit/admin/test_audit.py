"""The audit log: each act, whoever asked for it and whatever became of it, and none without its line."""

import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.admin.acts import (
    Act,
    CancelRequest,
    DrainDeployment,
    ListAudit,
    ListKeys,
    NotPerformed,
    Outcome,
    Refused,
    RevokeKey,
)
from app.admin.audit import Actor, AuditedPerformer, AuditFailed, AuditLog
from telemetry import Scrubber, setup
from tests.support import run

ADMIN = Actor("admin", "127.0.0.1")
SECRET = "a-callers-key-0123456789"


class Performs:
    """Gives back an outcome, or raises; notes what was asked for."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self._outcome = outcome
        self.performed: list[Act] = []

    async def perform(self, act: Act, actor: str) -> Outcome:
        self.performed.append(act)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Setup:
    def __init__(self, file: Path | None, outcome: Outcome | Exception) -> None:
        self.performer = Performs(outcome)
        self.telemetry = setup()
        self.log = AuditLog(None if file is None else str(file), Scrubber([SECRET]), clock=lambda: 1_000_000.0)
        self.audited = AuditedPerformer(self.performer, self.log, self.telemetry.metrics.operations)
        self.telemetry.metrics.operations.register(["drain_deployment", "list_keys", "authenticate"])

    def counted(self, act: str, result: str) -> float | None:
        return self.telemetry.registry.get_sample_value("flowspan_admin_acts_total", {"act": act, "result": result})


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_an_act_that_changes_something_is_noted_before_and_after(file: Path) -> None:
    made = Setup(file, {"deployment": "east"})
    assert run(made.audited.perform(DrainDeployment("east"), ADMIN)) == {"deployment": "east"}
    asked, done = lines(file)
    assert asked.pop("result") == "asked"
    assert done.pop("result") == "done"
    assert asked == done
    assert len(asked.pop("id")) == 16
    assert asked == {
        "time": "1970-01-12T13:46:40.000+00:00",
        "actor": "admin",
        "address": "127.0.0.1",
        "act": "drain_deployment",
        "arguments": {"deployment": "east"},
    }
    assert made.counted("drain_deployment", "done") == 1


def test_one_that_looks_has_one_line(file: Path) -> None:
    run(Setup(file, {"keys": []}).audited.perform(ListKeys(), ADMIN))
    assert [(line["act"], line["result"]) for line in lines(file)] == [("list_keys", "done")]


@pytest.mark.parametrize(
    ("error", "result", "detail"),
    [
        (Refused("there is no deployment north"), "refused", "there is no deployment north"),
        (NotPerformed("the loop stood still"), "failed", "the loop stood still"),
        (RuntimeError("secret words of a library"), "failed", "RuntimeError"),
    ],
)
def test_one_that_was_not_performed_is_noted_with_the_reason(
    file: Path, error: Exception, result: str, detail: str
) -> None:
    made = Setup(file, error)
    with pytest.raises(type(error)):
        run(made.audited.perform(DrainDeployment("north"), ADMIN))
    last = lines(file)[-1]
    assert last["result"] == result
    assert detail in last["detail"]
    assert "secret words" not in last["detail"]
    assert made.counted("drain_deployment", result) == 1


def test_a_request_that_was_not_in_flight_is_a_refusal(file: Path) -> None:
    with pytest.raises(Refused):
        run(Setup(file, {"cancelled": 0}).audited.perform(CancelRequest("txn_1"), ADMIN))
    assert lines(file)[-1]["result"] == "refused"


def test_who_may_not_act_is_noted_and_counted(file: Path) -> None:
    made = Setup(file, {})
    made.audited.deny(Actor("unknown", "10.0.0.1"), "That is not the key.", is_logged=True)
    made.audited.deny(Actor("unknown", "10.0.0.1"), "That is not the key.", is_logged=False)
    (line,) = lines(file)
    assert (line["actor"], line["address"], line["result"]) == ("unknown", "10.0.0.1", "denied")
    assert made.counted("authenticate", "denied") == 2


def test_neither_keys_nor_line_breaks_get_into_a_line(file: Path) -> None:
    shaped = "sk-proj-" + "Ab1" * 20
    for key in (SECRET, shaped, 'a"\n{"result": "done"}', "x" * 100_000):
        run(Setup(file, {"keys": []}).audited.perform(RevokeKey(key), Actor("uid 0", "pid\n1")))
    text = file.read_text()
    assert SECRET not in text
    assert shaped not in text
    assert len(lines(file)) == 8
    assert len(text) < 10_000


def _make_unwritable(file: Path) -> None:
    file.unlink()
    file.mkdir()


def test_no_act_is_performed_whose_line_cannot_be_written(file: Path) -> None:
    made = Setup(file, {})
    _make_unwritable(file)
    for act in (DrainDeployment("east"), RevokeKey("ci")):
        with pytest.raises(AuditFailed, match="cannot be written"):
            run(made.audited.perform(act, ADMIN))
    assert made.performer.performed == []
    assert made.counted("drain_deployment", "failed") == 1


def test_a_list_that_is_not_given_for_want_of_its_line_counts_as_failed(file: Path) -> None:
    made = Setup(file, {"keys": []})
    _make_unwritable(file)
    with pytest.raises(AuditFailed):
        run(made.audited.perform(ListKeys(), ADMIN))
    assert (made.counted("list_keys", "failed"), made.counted("list_keys", "done")) == (1, 0)


def test_what_was_performed_is_told_where_only_its_last_line_is_missing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Setup(file, {})

    class Breaks:
        async def perform(self, act: Act, actor: str) -> Outcome:
            _make_unwritable(file)
            return {"deployment": "east"}

    audited = AuditedPerformer(Breaks(), made.log, made.telemetry.metrics.operations)
    assert run(audited.perform(DrainDeployment("east"), ADMIN)) == {"deployment": "east"}
    assert "which the file does not have" in caplog.text


def test_the_file_is_for_its_owner_alone_and_is_appended_to(file: Path) -> None:
    Setup(file, {}).log.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text('{"act": "earlier"}\n')
    file.chmod(0o640)
    run(Setup(file, {"keys": []}).audited.perform(ListKeys(), ADMIN))
    assert [line["act"] for line in lines(file)] == ["earlier", "list_keys"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_that_was_rotated_away_is_made_anew(file: Path) -> None:
    made = Setup(file, {"keys": []})
    run(made.audited.perform(ListKeys(), ADMIN))
    rotated = file.rename(file.with_suffix(".1"))
    run(made.audited.perform(ListKeys(), ADMIN))
    assert len(lines(rotated)) == len(lines(file)) == 1


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_directory, _fifo])
def test_a_file_that_cannot_be_written_is_refused_at_the_start(file: Path, make: Callable[[Path], None]) -> None:
    make(file)
    with pytest.raises(AuditFailed, match=r"audit\.jsonl"):
        AuditLog(str(file), Scrubber())
    with pytest.raises(AuditFailed, match="No such file"):
        AuditLog(str(file.parent / "none" / "audit.jsonl"), Scrubber())


def test_the_process_log_has_it_too_and_the_latest_can_be_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    made = Setup(None, {"deployment": "east"})
    with caplog.at_level(logging.INFO, "flowspan.audit"):
        run(made.audited.perform(DrainDeployment("east"), ADMIN))
    assert [record.getMessage() for record in caplog.records] == [
        "drain_deployment by admin: asked",
        "drain_deployment by admin: done",
    ]
    entries = run(made.audited.perform(ListAudit(limit=1), ADMIN))["entries"]
    assert [(one["act"], one["result"]) for one in entries] == [("drain_deployment", "done")]
    assert len(run(made.audited.perform(ListAudit(), ADMIN))["entries"]) == 3

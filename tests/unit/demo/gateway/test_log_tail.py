import json
from typing import Any

from app.demo.gateway.log_tail import LogTail, moment_of

AT = "2026-01-02T03:04:05.678+00:00"


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"timestamp": AT, "level": "info", "logger": "flowspan.event", "message": name, "event": name, **fields}


def access(outcome: str, **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": AT,
        "level": "info",
        "logger": "flowspan.access",
        "outcome": outcome,
        "model": "chat",
        **fields,
    }


def breaker(state: str) -> dict[str, Any]:
    fields = {"flowspan.breaker": "east", "flowspan.to_state": state, "flowspan.reason": "cooldown_over"}
    return event("breaker.state_change", **fields)


def test_a_breakers_change_is_a_moment() -> None:
    moment = moment_of(breaker("half_open"))
    assert moment is not None
    assert (moment.tone, moment.text) == ("warning", "breaker east: half open, cooldown over")


def test_an_answer_that_ended_well_is_no_moment_and_one_that_did_not_is() -> None:
    assert moment_of(access("ok")) is None
    moment = moment_of(access("client_disconnect"))
    assert moment is not None
    assert moment.text == "chat: the client left, the upstream was closed"


def test_only_a_full_queue_is_a_moment() -> None:
    def high_water(percent: int) -> dict[str, Any]:
        return event("queue.high_water", **{"flowspan.queue.name": "sse", "flowspan.queue.percent": percent})

    assert moment_of(high_water(80)) is None
    assert moment_of(high_water(100)) is not None


def test_a_model_that_nobody_configured_is_not_called_by_its_label() -> None:
    moment = moment_of(access("client_error", model="other", status=404, error_type="unknown_model"))
    assert moment is not None
    assert moment.text == "a request: refused with 404 (unknown_model)"


def test_what_happens_again_counts_instead_of_filling_the_log() -> None:
    tail = LogTail()
    for line in (breaker("open"), access("overflow"), breaker("open")):
        tail.write(json.dumps(line) + "\n")
    assert [(one.text.split(":")[0], one.times) for one in tail.moments] == [("chat", 1), ("breaker east", 2)]


def test_errors_are_kept_and_so_is_what_is_no_log_line() -> None:
    tail = LogTail()
    failed = json.dumps({"timestamp": AT, "level": "error", "logger": "flowspan", "message": "the gateway failed"})
    tail.write(failed + "\nTraceback\n")
    assert list(tail.faults) == [failed, "Traceback"]
    assert [one.tone for one in tail.moments] == ["bad"]

"""Whose a transaction is, on its spans and its log lines, and at which level these are."""

import io
import json
from typing import Any

import pytest
from msgspec.structs import replace

from telemetry import AttemptTarget, HttpRequest, ObservabilityContext, Telemetry, TelemetryOptions, Tokens, setup
from telemetry.logs.records import Level
from telemetry.names import OUTCOME_LEVELS, OUTCOMES, Outcome
from tests.unit.telemetry.fakes import Bench, attributes_of

IDS = {"gen_ai.conversation.id": "c-1", "user.id": "u-1", "flowspan.client_request_id": "r-1"}
TARGET = AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5")


class Logged:
    """A transaction whose log lines can be read once it is over."""

    def __init__(self, level: Level = "info") -> None:
        self._stream = io.StringIO()
        options = TelemetryOptions(log_level=level)
        self._telemetry: Telemetry = setup(options, secrets=["canary-secret"], log_stream=self._stream)
        head = HttpRequest("POST", "/v1/messages", {"user-agent": "curl/8.5.0 secret"}, client_address="192.0.2.1")
        self.obs: ObservabilityContext = self._telemetry.open("anthropic_messages", head)

    def lines(self) -> list[dict[str, Any]]:
        self._telemetry.close()
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


def test_ids_are_on_the_transaction_and_those_that_group_on_its_attempts() -> None:
    bench = Bench()
    obs = bench.open()
    obs.note_ids(IDS, {"tenant": "acme"})
    obs.attempts.start(TARGET).end()
    obs.finish("ok", status=200)
    transaction, attempt = attributes_of(bench.transaction()), attributes_of(bench.spans()["chat gpt-5"])
    assert transaction.items() >= {**IDS, "session.id": "c-1", "tenant": "acme"}.items()
    assert attempt.items() >= {"gen_ai.conversation.id": "c-1", "session.id": "c-1", "user.id": "u-1"}.items()
    assert not {"tenant", "flowspan.client_request_id"} & set(attempt)
    assert obs.conversation_id == "c-1"


def test_ids_that_no_longer_hold_are_taken_back() -> None:
    bench = Bench()
    obs = bench.open()
    obs.note_ids(IDS, {"tenant": "acme"})
    obs.note_ids({"user.id": "[EMAIL]"}, {})
    obs.finish("ok", status=200)
    attributes = attributes_of(bench.transaction())
    assert attributes["user.id"] == "[EMAIL]"
    assert not {"gen_ai.conversation.id", "session.id", "tenant"} & set(attributes)


def test_the_line_has_the_ids_the_client_and_the_attempts() -> None:
    logged = Logged()
    logged.obs.note_ids({**IDS, "user.id": "canary-secret"}, {"tenant": "a\nb"})
    logged.obs.attempts.start(TARGET).end()
    attempt = logged.obs.attempts.start(replace(TARGET, deployment="d2"))
    attempt.first_chunk()
    attempt.usage(Tokens(7, 3, 0, 5, 0))
    attempt.response("resp_1", "gpt-5", ["stop", "length"])
    attempt.end()
    logged.obs.finish("ok", status=200)
    [line] = logged.lines()
    wanted = {
        "conversation": "c-1",
        "user": "[redacted]",
        "client_request_id": "r-1",
        "attributes": {"tenant": "ab"},
        "method": "POST",
        "route": "/v1/messages",
        "client_address": "192.0.2.1",
        "user_agent": "curl/8.5.0",
        "deployment": "d2",
        "attempts": 2,
        "retries": 1,
        "finish_reason": "stop,length",
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_tokens": 3,
    }
    assert line.items() >= wanted.items()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_level_of_the_line_follows_the_outcome(outcome: Outcome) -> None:
    logged = Logged()
    logged.obs.finish(outcome, status=200)
    [line] = logged.lines()
    assert line["level"] == OUTCOME_LEVELS[outcome]


@pytest.mark.parametrize(("outcome", "lines"), [("ok", 0), ("client_error", 0), ("timeout", 1), ("internal_error", 1)])
def test_a_log_of_warnings_has_the_lines_of_faults_alone(outcome: Outcome, lines: int) -> None:
    logged = Logged("warning")
    logged.obs.finish(outcome, status=200)
    assert len(logged.lines()) == lines


def test_a_failed_attempt_that_is_followed_by_another_leaves_a_warning() -> None:
    logged = Logged()
    failed = logged.obs.attempts.start(TARGET)
    failed.fail("upstream_timeout", "canary-secret fell silent")
    failed.end()
    other = replace(TARGET, deployment="d2")
    logged.obs.attempts.start(other, retry_of=failed).end()
    logged.obs.finish("ok", status=200)
    retried, line = logged.lines()
    assert (retried["level"], retried["message"]) == ("warning", "attempt failed, retried")
    assert (retried["deployment"], retried["retried_at"]) == ("d1", "d2")
    assert (retried["error_type"], retried["detail"]) == ("upstream_timeout", "[redacted] fell silent")
    assert retried["transaction_id"] == line["transaction_id"]

"""Each promise of `flowspan demo --once` can be broken, and is then named."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.demo.checks.report import summary
from app.demo.checks.verdicts import CHECKS, exit_status, judge
from telemetry.names.spans import Attribute
from tests.unit.demo.cases import Case, Transaction, change_one, good

Change = Callable[[Case], object]


def broken_by(change: Change) -> list[str]:
    case = good()
    change(case)
    return [verdict.promise for verdict in judge(case.evidence()) if not verdict.kept]


def test_a_good_run_keeps_every_promise_and_exits_with_zero() -> None:
    verdicts = judge(good().evidence())
    assert [verdict for verdict in verdicts if not verdict.kept] == []
    assert exit_status(verdicts) == 0
    assert summary(verdicts).plain == f"All {len(CHECKS)} promises kept."


def test_a_run_in_which_nothing_happened_keeps_few_promises() -> None:
    kept = [verdict.promise for verdict in judge(Case().evidence()) if verdict.kept]
    assert kept == [
        "clients, traces and /metrics agree on every outcome",
        "every request's client and trace agree on how it ended",
        "nothing is left in flight",
        "the gateway logged no error",
    ]


def _on(title: str, change: Callable[[Transaction], object]) -> Change:
    return lambda case: change_one(case, title, lambda transaction: void(change(transaction)))


def void(_: object) -> None:
    """Assignments in lambdas are calls of `setattr`; their value is nobody's."""


def _transcript(title: str, **transcript: Any) -> Change:
    return _on(
        title,
        lambda transaction: setattr(
            transaction.observation, "transcript", replace(transaction.observation.transcript, **transcript)
        ),
    )


def _attempt(title: str, **attempt: Any) -> Change:
    return _on(title, lambda transaction: transaction.below.__setitem__(0, replace(transaction.below[0], **attempt)))


def _figure(key: str, value: float) -> Change:
    return _on("slow reader", lambda transaction: transaction.below[1].attributes.update({key: value}))


CHANGES: list[tuple[str, Change]] = [
    ("every word and thought", _transcript("chat", text="A stream is")),
    ("every word and thought", _transcript("thinking", thinking="")),
    ("tool calls arrive whole", _transcript("tool call", tools={0: '{"notify": "[EMA'})),
    ("tool calls arrive whole", _transcript("tool call", tools={0: '{"notify": "ada@example.com"}'})),
    ("a redacted stream leaks nothing", _transcript("redacted", text="grace.hopper@example.com")),
    ("a redacted stream leaks nothing", _on("redacted", lambda transaction: transaction.events.clear())),
    ("a slow reader gets every word", _transcript("slow reader", text="Page 001.")),
    ("a slow reader gets every word", _figure(Attribute.QUEUE_PUT_BLOCKED, 0.0)),
    ("a slow reader gets every word", _figure(Attribute.QUEUE_DEPTH_MAX, 17)),
    (
        "the ledger of a slow reader",
        _on("slow reader", lambda transaction: setattr(transaction, "parts", {"policy": 1.0})),
    ),
    ("a bad request is a 400", _on("bad request", lambda transaction: setattr(transaction.observation, "status", 404))),
    (
        "a bad request is a 400",
        _transcript("bad request", error={"error": {"type": "invalid_request_error", "message": "no"}}),
    ),
    ("an unknown model is a 404", _transcript("unknown model", error={"error": {"type": "api_error"}})),
    ("a failing deployment's breaker", _on("failing", lambda transaction: transaction.events.pop())),
    ("a failing deployment's breaker", lambda case: case.transitions.clear()),
    ("while it fails no caller notices", _transcript("failing", text="")),
    (
        "while it fails no caller notices",
        _on("failing", lambda transaction: setattr(transaction.below[1], "linked", False)),
    ),
    ("where no deployment of a model answers", _on("fallback", lambda transaction: transaction.below.pop())),
    (
        "an open breaker turns callers away",
        _on("down", lambda transaction: setattr(transaction.observation, "retry_after", "")),
    ),
    ("an open breaker turns callers away", _on("down", lambda transaction: setattr(transaction, "linked", False))),
    ("a stream that the provider cuts off", _transcript("cut upstream", ended=True)),
    ("a client that stops reading", _transcript("stuck reader", ended=True)),
    ("a client that stops reading", lambda case: setattr(case, "overflows", 0)),
    ("a client that leaves", _attempt("leaves", attributes={})),
    ("a client that leaves", _on("leaves", lambda transaction: transaction.events.clear())),
    ("the sum of outcomes", lambda case: case.uncounted.update(Counter(ok=1))),
    ("clients, traces and /metrics agree", lambda case: case.uncounted.update(Counter(ok=1))),
    (
        "every request's client and trace agree",
        _on("chat", lambda transaction: setattr(transaction, "outcome", "timeout")),
    ),
    ("every trace is whole", _on("chat", lambda transaction: setattr(transaction, "servers", 2))),
    ("every trace is whole", _attempt("chat", orphan=True)),
    ("every trace is whole", _attempt("chat", end=1001)),
    ("every trace is whole", lambda case: setattr(case, "with_spans", False)),
    ("every time ledger", _on("chat", lambda transaction: transaction.parts.update(upstream=0.88))),
    ("nothing is left in flight", lambda case: setattr(case, "in_flight", 1)),
    ("the gateway logged no error", lambda case: setattr(case, "errors", ("it failed",))),
]


@pytest.mark.parametrize(("promise", "change"), CHANGES, ids=[f"{at}-{name}" for at, (name, _) in enumerate(CHANGES)])
def test_a_broken_promise_is_named_and_the_run_fails(promise: str, change: Change) -> None:
    assert any(named.startswith(promise) for named in broken_by(change))
    case = good()
    change(case)
    verdicts = judge(case.evidence())
    assert exit_status(verdicts) == 1
    assert promise in summary(verdicts).plain


def test_every_promise_is_broken_by_some_case() -> None:
    unbroken = [name for name, _ in CHECKS if not any(name.startswith(promise) for promise, _ in CHANGES)]
    assert unbroken == []


def test_an_upstream_that_goes_on_after_its_client_has_left_is_told_of() -> None:
    case = good()
    left = case.of("leaves")[0]
    assert left.observation.left_ns is not None
    left.observation.left_ns -= 1_000_000_000
    [broken] = [verdict for verdict in judge(case.evidence()) if not verdict.kept]
    assert broken.broken is not None
    assert "the upstream went on for 1.10 s" in broken.broken

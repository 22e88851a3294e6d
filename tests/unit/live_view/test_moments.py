from msgspec.structs import replace

from app.live_view.moments import line_of, lines_of
from telemetry.live.moments import (
    AttemptRetried,
    BreakerChanged,
    BudgetPassed,
    CallerKeptOut,
    Ended,
    PolicyDecided,
    QueueFilled,
)
from telemetry.names import OUTCOMES
from tests.unit.live_view.frames import good_end

BREAKER = BreakerChanged(
    at=2.0, transaction_id="t", breaker="east", from_state="open", to_state="half_open", reason="cooldown_over"
)


def end(outcome: str, **fields: object) -> Ended:
    return replace(good_end(), outcome=outcome, **fields)


def test_a_breakers_change_is_told_with_its_reason() -> None:
    line = line_of(BREAKER)
    assert (line.tone, line.text) == ("warning", "breaker east: half open, cooldown over")


def test_every_end_but_a_good_one_says_what_went_wrong() -> None:
    for outcome in OUTCOMES:
        line = line_of(end(outcome, status=400, error_type="http_503", detail="it broke"))
        assert "{" not in line.text
        assert (line.tone == "good") is (outcome == "ok")
    assert line_of(end("upstream_error", error_type="http_503")).text == "chat: the provider failed (http_503)"
    assert line_of(end("internal_error", detail="it broke")).text == "chat: the gateway failed (it broke)"


def test_a_model_that_nobody_configured_is_not_called_by_its_label() -> None:
    refused = end("client_error", model="other", status=404, error_type="unknown_model", detail="asked for 'gpt-99'")
    unread = end("client_error", model="other", status=400, error_type="invalid_request", api="openai_chat")

    assert line_of(refused).text.endswith("refused with 404 (unknown_model, asked for 'gpt-99')")
    assert line_of(unread).text == "a request to openai chat: refused with 400 (invalid_request)"


def test_the_other_moments_are_sentences() -> None:
    at, id = 1.0, "txn_1"
    texts = [
        line_of(moment).text
        for moment in (
            CallerKeptOut(at=at, transaction_id=id, breaker="sse", reason="failure_rate"),
            PolicyDecided(at=at, transaction_id=id, policy="redact", hook="on_request", decision="redacted"),
            AttemptRetried(at=at, transaction_id=id, deployment="east", error_type="http_503", retried_at="west"),
            AttemptRetried(at=at, transaction_id=id, deployment="east", error_type="http_503", retried_at="east"),
            QueueFilled(at=at, transaction_id=id, queue="sse"),
            BudgetPassed(
                at=at,
                transaction_id=id,
                scope="team",
                holder="ml",
                limit="budget_day",
                share=0.8,
                used_usd=4.1,
                budget_usd=5.0,
            ),
            end("rate_limited", status=429, error_type="rate_limited", detail="streams"),
        )
    ]
    assert texts == [
        "breaker sse: one caller is kept out, failure rate",
        "policy redact: redacted a piece of a request",
        "east failed (http_503), west is asked",
        "east failed (http_503), asked again",
        "queue sse of a stream is full: its writer waits",
        "team ml has spent 82% of its budget by the day",
        "chat: beyond a limit of its key (rate_limited, streams)",
    ]


def test_what_happens_again_counts_instead_of_filling_the_list() -> None:
    lines = lines_of([replace(BREAKER, at=1.0), end("overflow"), replace(BREAKER, transaction_id="later")])
    assert [(line.text.split(":")[0], line.times) for line in lines] == [("chat", 1), ("breaker east", 2)]
    assert lines[-1].transaction_id == "later"

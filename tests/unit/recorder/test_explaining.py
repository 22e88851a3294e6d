"""The sentences that explain a recording name the culprit, what the client got, and why nobody tried again."""

import pytest

from app.recorder.explaining import explain
from app.recorder.phrases import seconds
from app.recorder.recording import Intervention, Piece, RecordedSpan, Recording
from tests.unit.recorder.built import attempt, recording, refused

_CUT = attempt(error_type="upstream_truncated", closed_by="provider")
_DOWN = attempt(deployment="west", status=503, answer=(), error_type="upstream_error", began=0.0, ended=0.2)
_AT_ONCE = attempt(status=503, answer=(), error_type="upstream_error", began=0.1, ended=0.1)
_NAMED = b'{"error": {"message": "The model `x` does not exist here.", "param": "model"}}'
_MESSAGE = b'{"error": {"message": "No key.", "param": "model"}}'


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (
            recording(_CUT, error_type="upstream_truncated", delivered=True),
            "openai/gpt-5 stopped sending after 2 events and 2.5 s without ending its answer. The client was told with "
            "an error event. It was not tried again, because text had left.",
        ),
        (
            recording(_CUT, error_type="upstream_truncated", detail="connection reset"),
            "openai/gpt-5 stopped sending by breaking off the connection after 2 events and 2.5 s without ending its "
            "answer. The client's connection was broken off, so that it cannot take this for the end of the answer. It "
            "was not tried again, because text had left.",
        ),
        (
            recording(attempt(error_type="upstream_timeout"), error_type="upstream_timeout", outcome="timeout"),
            "openai/gpt-5 fell silent after 2 events and 2.5 s: nothing more came for 10 s, so the gateway ended the "
            "answer. The client's connection was broken off, so that it cannot take this for the end of the answer. It "
            "was not tried again, because text had left.",
        ),
        (
            refused(
                504,
                attempts=(attempt(error_type="upstream_timeout", answer=(), status=None),),
                error_type="upstream_timeout",
                outcome="timeout",
            ),
            "openai/gpt-5 did not begin to answer within 12.5 s, so the gateway gave it up. The client got status 504. "
            "It was not tried again: nothing that is configured for it was left to try.",
        ),
        (
            refused(502, attempts=(_DOWN, _DOWN), error_type="upstream_error"),
            "openai/gpt-5 answered 503 after 200 ms. The client got status 502. Before, west answered 503.",
        ),
        (
            refused(
                429,
                attempts=(
                    attempt(
                        status=429, answer=(), error_type="upstream_error", response_headers=(("retry-after", "20"),)
                    ),
                ),
                error_type="upstream_error",
                spans=(
                    RecordedSpan(
                        "POST", "server", "1", "", began=0, ended=1, attributes={"flowspan.retry_denied": True}
                    ),
                ),
            ),
            "openai/gpt-5 turned the request away because of a rate limit (429) after 12.5 s, and asked to wait 20 s. "
            "The client got status 429. It was not tried again, because the model's budget for retries was used up.",
        ),
        (
            refused(502, attempts=(attempt(status=401, error_type="upstream_error"),), error_type="upstream_error"),
            "openai/gpt-5 refused the gateway's own key (401) after 12.5 s. The client got status 502. It was not "
            "tried again: nothing that is configured for it was left to try.",
        ),
        (
            refused(401, attempts=(attempt(status=401),), error_type="upstream_rejected", outcome="client_error"),
            "openai/gpt-5 refused the request with status 401: it did not accept the credential that the caller sent "
            "along for it. The client got status 401.",
        ),
        (
            refused(400, attempts=(attempt(status=400),), error_type="context_overflow", outcome="client_error"),
            "openai/gpt-5 refused the request with status 400: the conversation is longer than the model takes. The "
            "client got status 400.",
        ),
        (
            recording(attempt(error_type="upstream_error"), error_type="upstream_error", delivered=True),
            "openai/gpt-5 reported an error amid its answer, after 2 events and 2.5 s. The client was told with an "
            "error event. It was not tried again, because text had left.",
        ),
        (
            refused(400, _MESSAGE, error_type="invalid_request", outcome="client_error"),
            "The request of the client with the key ada could not be served, because of model: No key. The client got "
            "status 400; no provider was asked.",
        ),
        (
            refused(404, _NAMED, error_type="unknown_model", outcome="client_error", key=None),
            "The request of the client could not be served: The model `x` does not exist here. The client got status "
            "404; no provider was asked.",
        ),
        (
            refused(502, attempts=(_AT_ONCE,), error_type="upstream_error"),
            "openai/gpt-5 answered 503 at once. The client got status 502. It was not tried again: nothing that is "
            "configured for it was left to try.",
        ),
        (
            refused(401, _MESSAGE, error_type="authentication", outcome="client_error", key=None),
            "The caller was not let in: No key. The client got status 401; no provider was asked.",
        ),
        (
            refused(429, _MESSAGE, error_type="budget_spent", outcome="rate_limited", key="ci"),
            "The client with the key ci asked for more than its key or its team may: No key. The client got status "
            "429; no provider was asked.",
        ),
        (
            refused(
                400,
                _MESSAGE,
                error_type="policy_blocked",
                outcome="policy_blocked",
                interventions=(Intervention("guard", "on_request", "blocked", 0.1),),
            ),
            "The policy guard blocked it before a provider was asked, with the words: No key. The client got "
            "status 400.",
        ),
        (
            recording(attempt(), error_type="policy_failed", detail="guard.on_chunk: ValueError", delivered=True),
            "The policy guard failed (guard.on_chunk: ValueError), so the gateway ended the request. The client was "
            "told with an error event.",
        ),
        (
            recording(
                attempt(),
                error_type="queue_overflow",
                outcome="overflow",
                detail="4096 bytes were not read for 30 s",
            ),
            "The client did not read its answer, so the gateway ended it after 2 events and 2.5 s (4096 bytes were not "
            "read for 30 s). The client's connection was broken off, so that it cannot take this for the end of the "
            "answer.",
        ),
        (
            recording(attempt(), error_type="client_disconnect", outcome="client_disconnect"),
            "The client with the key ada closed the connection amid the answer, after 2 events and 12.5 s. Neither the "
            "provider nor the gateway failed.",
        ),
        (
            refused(499, attempts=(attempt(answer=()),), error_type="client_disconnect", outcome="client_disconnect"),
            "The client with the key ada closed the connection after 12.5 s, before anything of the answer had come "
            "from openai/gpt-5. Neither the provider nor the gateway failed.",
        ),
        (
            refused(503, error_type="breaker_open", outcome="breaker_open"),
            "No deployment of chat could be asked: its breaker is open, because too many attempts had failed before. "
            "The client got status 503.",
        ),
        (
            refused(503, error_type="admission_queue_full", outcome="overloaded"),
            "Every deployment of chat that could be asked had as much to do as it may, and so many requests waited "
            "already that this one was turned away. The client got status 503.",
        ),
        (
            refused(503, error_type="admission_timeout", outcome="overloaded", time={"admission": 12.0}),
            "Every deployment of chat that could be asked had as much to do as it may, and the request waited 12 s "
            "in vain. The client got status 503.",
        ),
        (
            refused(529, error_type="admission_timeout", outcome="overloaded"),
            "Every deployment of chat that could be asked had as much to do as it may, and it was turned away at once, "
            "for so many requests waited that it could not have been served in time. The client got status 529.",
        ),
        (
            recording(attempt(), error_type="draining", outcome="drained", delivered=True),
            "The gateway was shut down, and the answer had not ended in time, after 12.5 s. The client was told with "
            "an error event.",
        ),
        (
            recording(
                _DOWN, attempt(why="fallback"), outcome="ok", ttft_s=0.5, time={"upstream": 12.0}, delivered=True
            ),
            "openai/gpt-5 answered the client with the key ada in 12.5 s, with 2 events, the first after 500 ms. It "
            "was a fallback, and the second attempt, at east, after west answered 503. 12 s of the time were the "
            "provider's.",
        ),
        (
            recording(
                attempt(deployment="west", error_type="upstream_truncated"),
                attempt(why="retry"),
                outcome="ok",
                ttft_s=0.5,
                delivered=True,
            ),
            "openai/gpt-5 answered the client with the key ada in 12.5 s, with 2 events, the first after 500 ms. It "
            "was the second attempt, at east, after west stopped without ending its answer. What had come of a stream "
            "of west held nothing of an answer yet, and the client saw nothing of it.",
        ),
        (
            recording(
                attempt(deployment="west", error_type="outpaced", model="slow"),
                attempt(why="hedge"),
                outcome="ok",
                stream=False,
                delivered=True,
            ),
            "openai/gpt-5 answered the client with the key ada in 12.5 s. West took long, so east was asked beside it, "
            "and was faster.",
        ),
        (
            recording(
                attempt(),
                attempt(deployment="west", why="hedge", error_type="outpaced", model="slow"),
                outcome="ok",
                stream=False,
                delivered=True,
            ),
            "openai/gpt-5 answered the client with the key ada in 12.5 s. West was asked beside it for 12.5 s, as it "
            "took long, and given up.",
        ),
    ],
)
def test_each_outcome_is_explained(made: Recording, sentence: str) -> None:
    assert explain(made) == sentence


def test_one_event_is_singular() -> None:
    cut = attempt(error_type="upstream_truncated", answer=(Piece(1.0, b"x"),))
    made = recording(cut, error_type="upstream_truncated", chunks_in=1)

    assert explain(made).startswith("openai/gpt-5 stopped sending after 1 event and 1 s ")


def test_hostile_names_are_bounded_and_shown() -> None:
    hostile = attempt(model="\x1b[2J" + "m" * 100_000, error_type="upstream_truncated")
    text = explain(recording(hostile, error_type="upstream_truncated", detail="\u202e" * 100_000, key="\n" * 9999))

    assert text.isprintable()
    assert len(text) < 1000


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0.0004, "under 1 ms"),
        (0.34, "340 ms"),
        (0.9996, "1 s"),
        (12.34, "12.3 s"),
        (99.96, "1 min 40 s"),
        (240, "4 min"),
    ],
)
def test_durations_are_rounded_as_people_do(duration: float, text: str) -> None:
    assert seconds(duration) == text


def test_the_words_of_an_error_event_are_quoted() -> None:
    event = b'event: error\ndata: {"type": "error", "error": {"type": "x", "message": "No pain, please."}}\n\n'
    made = recording(
        attempt(), error_type="policy_blocked", delivered=True, answer=(Piece(0.1, b"..."), Piece(1, event))
    )

    assert explain(made).startswith("A policy blocked it after 2 events and 2.5 s, with the words: No pain, please. ")


def test_equal_failures_are_counted() -> None:
    made = recording(_DOWN, _DOWN, _DOWN, attempt(why="retry"), outcome="ok")

    assert explain(made).endswith("It was the fourth attempt, at east, after west answered 503 three times.")


def test_a_long_wait_for_a_deployment_is_told() -> None:
    made = recording(attempt(), outcome="ok", time={"upstream": 1.0, "admission": 11.5}, delivered=True)
    assert explain(made).endswith(" 11.5 s of the time were spent in waiting for a deployment with room.")

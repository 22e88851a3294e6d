"""The table of what upstream statuses mean, and what the gateway does with each of them."""

import pytest

from app.upstream_statuses import LISTED, NOT_FOUND, Meaning, meaning_of, status_of_words
from tests.unit.backends.status_page import PAGE, page, row


@pytest.mark.parametrize("status", range(400, 600))
def test_what_the_table_says_of_a_status_is_what_happens(status: int) -> None:
    meaning, happened = meaning_of(status), row(status)
    passed_on = {529: 503}.get(status, status) if meaning.passed_on else 400 if meaning.fault == "caller" else 502
    assert happened.fault == meaning.fault
    assert happened.openai == passed_on
    assert happened.anthropic == {503: 529}.get(passed_on, passed_on)
    assert happened.another_asked is (meaning.fault != "caller" or status == NOT_FOUND)
    assert happened.asked_again is meaning.retried
    assert happened.counted is meaning.counted


@pytest.mark.parametrize("status", LISTED)
def test_a_callers_fault_is_neither_retried_nor_counted(status: int) -> None:
    meaning = meaning_of(status)
    assert meaning.fault != "caller" or not (meaning.retried or meaning.counted)
    assert meaning.fault != "credentials" or not (meaning.retried or meaning.passed_on)


def test_a_status_that_is_not_listed_is_the_providers() -> None:
    other_4xx = Meaning("provider", passed_on=False, retried=False, counted=True)
    other_5xx = Meaning("provider", passed_on=False, retried=True, counted=True)
    for status in set(range(400, 600)) - set(LISTED):
        assert meaning_of(status) == (other_4xx if status < 500 else other_5xx)
    assert meaning_of(None) == other_5xx


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["overloaded_error"], 529),
        (["error", "rate_limit_exceeded"], 429),
        (["image_too_large"], 400),
        (["server_error", "invalid_image"], 400),
        (["moderation_blocked"], 400),
        (["DeploymentNotFound", "server_error"], 404),
        (["imagery"], None),
        ([], None),
    ],
)
def test_an_errors_word_stands_for_a_status(words: list[str], status: int | None) -> None:
    assert status_of_words(words) == status


def test_the_page_has_the_table_as_the_gateway_makes_it() -> None:
    assert PAGE.read_text() == page()

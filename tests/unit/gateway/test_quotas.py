"""Limits of callers at work: who is let in, and the words of those who are not."""

import asyncio

import pytest

from app.backends.ceilings import Ceiling
from app.errors import BudgetSpent, LimitReached, RateLimited, RequestTokensExceeded
from app.gateway.denials import allowances_of, error_of
from app.gateway.quotas import admitted
from app.quotas import Denial, Quotas, Reservation
from app.settings import Limits, QuotaSettings
from tests.unit.quotas.made import CALLER, NOON, rules


def test_a_stream_that_is_about_to_end_does_not_keep_the_next_one_out() -> None:
    """A client has the last event a few turns before its stream has ended, and may ask again by then."""

    async def asked(turns: int) -> Reservation | Denial:
        quotas = Quotas(rules(Limits(streams=1)), QuotaSettings())
        before = await quotas.admit(CALLER)
        assert not isinstance(before, Denial)

        async def end() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            before.commit(1, 0.1)

        ending = asyncio.create_task(end())
        admission = await admitted(quotas, CALLER, spends=True)
        ending.cancel()
        return admission

    for turns in (1, 5):
        assert not isinstance(asyncio.run(asked(turns)), Denial)
    assert isinstance(asyncio.run(asked(1_000_000)), Denial)


_CEILING = Ceiling(prompt=900, most_answer=300, usd=0.5)


@pytest.mark.parametrize(
    ("denial", "ceiling", "kind", "message"),
    [
        (
            Denial("key", "ci", "requests_per_minute", 50, 50, 2.2, NOON + 30),
            None,
            RateLimited,
            "The key `ci` may make 50 requests in a minute, and has (requests_per_minute). Try again in 3 s.",
        ),
        (
            Denial("key", "default", "streams", 5, 5, 1.0, None),
            None,
            RateLimited,
            "Your key may have 5 requests open at a time, and has (streams). Try again when one of them has ended.",
        ),
        (
            Denial("team", "t", "tokens_per_minute", 10_000, 9_500, 60.5, NOON + 61),
            _CEILING,
            RateLimited,
            "The team `t` may use 10,000 tokens in a minute; 9,500 are used or reserved, and this request may take "
            "1,200 (tokens_per_minute). Try again in 61 s.",
        ),
        (
            Denial("key", "ci", "tokens_per_minute", 1_000, 0, None, NOON),
            _CEILING,
            RequestTokensExceeded,
            "The request may come to 1,200 tokens, 900 of its prompt and 300 of its answer, and the key `ci` allows "
            "1,000 in a minute (tokens_per_minute).",
        ),
        (
            Denial("key", "ci", "request_tokens", 1_000, 1_200, None, None),
            _CEILING,
            RequestTokensExceeded,
            "The request may come to 1,200 tokens, 900 of its prompt and 300 of its answer, and the key `ci` allows "
            "1,000 for one request (request_tokens).",
        ),
        (
            Denial("team", "t", "budget_month", 100, 100, 86_400.0, NOON + 86_400),
            None,
            BudgetSpent,
            "The budget of the team `t` is 100.00 USD for a month; 100.00 USD of it are spent or reserved "
            "(budget_month). Try again at 2026-12-01T12:00:00Z.",
        ),
        (
            Denial("key", "ci", "budget_day", 0.25, 0.1234, None, NOON),
            _CEILING,
            BudgetSpent,
            "The budget of the key `ci` is 0.25 USD for a day; 0.12 USD of it are spent or reserved, and this request "
            "may cost 0.50 USD (budget_day). It will not be let in: ask for less.",
        ),
    ],
)
def test_an_error_names_the_limit_and_when_there_is_room(
    denial: Denial, ceiling: Ceiling | None, kind: type[LimitReached], message: str
) -> None:
    error = error_of(denial, NOON, ceiling)
    assert type(error) is kind
    assert error.message == message
    assert (error.scope, error.holder, error.limit) == (denial.scope, denial.name, denial.limit)
    assert error.retryable is (denial.retry_after is not None and denial.retry_after <= 61)


def test_what_is_left_is_told_of_limits_by_the_minute_alone() -> None:
    requests = Denial("key", "ci", "requests_per_minute", 50, 50, 2.0, NOON + 30)
    tokens = Denial("key", "ci", "tokens_per_minute", 100, 90, 2.0, NOON + 30)
    streams = Denial("key", "ci", "streams", 5, 5, 1.0, None)
    [one] = allowances_of(requests, NOON)
    assert (one.limit, one.most, one.left, one.resets_in) == ("requests_per_minute", 50, 0, 30)
    assert [each.left for each in allowances_of(tokens, NOON)] == [10]
    assert list(allowances_of(streams, NOON)) == []

"""Limits and budgets in the memory of one process: what is let in, what is refused and until when."""

import asyncio
from collections.abc import Sequence

import pytest

from app.quotas import Crossed, Denial, LimitUsage, Need, Quotas, Reservation, Rules, TooManyLimits
from app.settings import Budget, Limits, QuotaSettings
from telemetry.names import QuotaLimit
from tests.unit.quotas.made import CALLER, NOON, Clocks, rules

pytestmark = pytest.mark.anyio
MIDNIGHT = NOON + 12 * 3_600


def _quotas(rules: Rules, clocks: Clocks | None = None) -> Quotas:
    clocks = clocks or Clocks()
    return Quotas(rules, QuotaSettings(), even=clocks.even, wall=clocks.wall)


async def _admitted(quotas: Quotas, need: Need | None = None, caller: str = CALLER) -> Reservation:
    reservation = await quotas.admit(caller)
    assert not isinstance(reservation, Denial)
    if need is not None:
        assert await reservation.reserve(need) is None
    return reservation


async def _spend(quotas: Quotas, usd: float, tokens: int = 0) -> Sequence[Crossed]:
    return (await _admitted(quotas)).commit(tokens, usd)


async def _denied(quotas: Quotas, need: Need | None = None, caller: str = CALLER) -> Denial:
    reservation = await quotas.admit(caller)
    if isinstance(reservation, Denial):
        return reservation
    assert need is not None
    denial = await reservation.reserve(need)
    reservation.commit(0, 0)
    assert denial is not None
    return denial


async def _usage(quotas: Quotas, limit: QuotaLimit, caller: str = CALLER) -> LimitUsage:
    return next(usage for usage in await quotas.usage(caller) if usage.limit == limit)


async def test_callers_without_limits_are_not_counted() -> None:
    quotas = _quotas(rules(Limits(streams=1)))

    assert not quotas.is_limited("")
    assert quotas.is_limited(CALLER)
    reservations = [await _admitted(quotas, Need(10**9, 10**9), "somebody else") for _ in range(3)]
    assert [reservation.commit(1, 1) for reservation in reservations] == [[], [], []]
    assert await quotas.usage("somebody else") == []


async def test_requests_are_let_in_again_when_the_wait_is_over_and_not_before() -> None:
    clocks = Clocks()
    quotas = _quotas(rules(Limits(requests_per_minute=2)), clocks)

    clocks.advance(0.75)
    await _admitted(quotas)
    clocks.advance(30)
    await _admitted(quotas)
    denial = await _denied(quotas)
    assert (denial.scope, denial.name, denial.limit) == ("key", "ada", "requests_per_minute")
    assert (denial.most, denial.used, denial.retry_after) == (2, 2, 30.25)
    assert denial.resets_at == NOON + 91
    clocks.advance(30.2)
    await _denied(quotas)
    clocks.advance(0.05)
    await _admitted(quotas)
    await _denied(quotas)


async def test_streams_count_until_they_end() -> None:
    quotas = _quotas(rules(Limits(streams=2)))
    first, _ = await _admitted(quotas), await _admitted(quotas)

    denial = await _denied(quotas)
    assert (denial.limit, denial.used, denial.retry_after, denial.resets_at) == ("streams", 2, 1.0, None)
    first.commit(0, 0)
    first.commit(0, 0)
    await _admitted(quotas)
    await _denied(quotas)


async def test_tokens_are_reserved_and_then_what_they_were() -> None:
    clocks = Clocks()
    quotas = _quotas(rules(Limits(tokens_per_minute=1_000)), clocks)

    first = await _admitted(quotas, Need(900, 0))
    assert (await _denied(quotas, Need(200, 0))).retry_after == 61
    usage = await _usage(quotas, "tokens_per_minute")
    assert (usage.used, usage.reserved, usage.left) == (0, 900, 100)
    clocks.advance(10)
    first.commit(300, 0)
    usage = await _usage(quotas, "tokens_per_minute")
    assert (usage.used, usage.reserved, usage.left) == (300, 0, 700)
    second = await _admitted(quotas, Need(700, 0))
    assert (await _denied(quotas, Need(1, 0))).retry_after == 51
    clocks.advance(120)
    second.commit(5_000, 0)
    assert (await _usage(quotas, "tokens_per_minute")).used == 0


async def test_a_request_beyond_the_limit_alone_need_not_wait() -> None:
    quotas = _quotas(rules(Limits(tokens_per_minute=1_000, request_tokens=500), [Budget(1)]))

    assert (await _denied(quotas, Need(501, 0))).limit == "request_tokens"
    assert (await _denied(quotas, Need(400, 1.5))).retry_after is None
    assert [usage.reserved for usage in await quotas.usage(CALLER)] == [0, 0]


async def test_a_denial_reserves_nothing_of_any_limit() -> None:
    quotas = _quotas(
        rules(Limits(tokens_per_minute=1_000), [Budget(10)], Limits(tokens_per_minute=10_000), [Budget(1, "day")])
    )

    denial = await _denied(quotas, Need(100, 2))
    assert (denial.scope, denial.name, denial.limit) == ("team", "engine", "budget_day")
    assert all(usage.used == usage.reserved == 0 for usage in await quotas.usage(CALLER))


async def test_a_team_shares_what_is_its() -> None:
    made = rules(team_limits=Limits(streams=1), team_budgets=[Budget(1)], names=("ada", "bob"))
    quotas = _quotas(made)

    (await _admitted(quotas, Need(1, 0.9))).commit(1, 0.9)
    assert (await _denied(quotas, Need(1, 0.2), "key:bob")).limit == "budget_month"
    await _admitted(quotas)
    assert (await _denied(quotas, caller="key:bob")).limit == "streams"


async def test_a_spent_budget_refuses_at_the_door_until_its_end() -> None:
    clocks = Clocks()
    quotas = _quotas(rules(budgets=[Budget(1, "day")]), clocks)

    await _spend(quotas, 1)
    denial = await _denied(quotas)
    assert (denial.limit, denial.retry_after, denial.resets_at) == ("budget_day", 12 * 3_600, MIDNIGHT)
    assert not isinstance(await quotas.admit(CALLER, spends=False), Denial)
    clocks.advance(12 * 3_600)
    await _admitted(quotas, Need(1, 1))


@pytest.mark.parametrize(("per", "seconds"), [("hour", 3_660), ("day", 90_000), ("month", 31 * 86_400)])
async def test_a_sliding_budget_gives_back_what_is_long_ago(per: str, seconds: float) -> None:
    clocks = Clocks()
    clocks.even_time = 0
    budget = Budget(1, per, "sliding")  # type: ignore[arg-type]
    quotas = _quotas(rules(budgets=[budget]), clocks)

    await _spend(quotas, 0.6)
    clocks.advance(seconds / 2)
    await _spend(quotas, 0.4)
    assert (await _denied(quotas)).retry_after == pytest.approx(seconds / 2)
    clocks.advance(seconds / 2 - 1)
    await _denied(quotas)
    clocks.advance(1)
    await _admitted(quotas, Need(1, 0.6))
    assert (await _denied(quotas, Need(1, 0.1))).retry_after is not None


async def test_dollars_that_others_hold_are_worth_a_short_wait() -> None:
    quotas = _quotas(rules(budgets=[Budget(1), Budget(1, "hour", "sliding")]))

    await _admitted(quotas, Need(1, 0.8))
    assert (await _denied(quotas, Need(1, 0.5))).retry_after == 1.0


async def test_budgets_that_warn_refuse_nothing_and_tell_each_share_once() -> None:
    clocks = Clocks()
    quotas = _quotas(rules(budgets=[Budget(1, "day", mode="warn", warn_at=(0.5, 0.9)), Budget(2, "day")]), clocks)

    assert [(one.share, one.most) for one in await _spend(quotas, 0.4)] == []
    assert [(one.share, one.most, one.is_hard) for one in await _spend(quotas, 0.1)] == [(0.5, 1, False)]
    assert [one.share for one in await _spend(quotas, 0.1)] == []
    assert [(one.share, one.most) for one in await _spend(quotas, 1.4)] == [(0.9, 1), (1, 1), (0.8, 2), (1, 2)]
    await _denied(quotas)
    assert [(usage.most, usage.used, usage.left) for usage in await quotas.usage(CALLER)] == [(1, 2, 0), (2, 2, 0)]
    clocks.advance(86_400)
    assert [one.share for one in await _spend(quotas, 0.95)] == [0.5, 0.9]


async def test_a_sliding_budget_tells_a_share_once_in_its_time() -> None:
    clocks = Clocks()
    clocks.even_time = 0
    quotas = _quotas(rules(budgets=[Budget(1, "hour", "sliding")]), clocks)

    reported = []
    for _ in range(120):
        reported.append(len(await _spend(quotas, 0.0137)))
        clocks.advance(60)
    assert sum(reported) == 1
    clocks.advance(7_200)
    assert [one.share for one in await _spend(quotas, 0.9)] == [0.8]


async def test_what_is_left_of_a_minute_is_the_least_of_key_and_team() -> None:
    clocks = Clocks()
    made = rules(Limits(requests_per_minute=10, tokens_per_minute=100), team_limits=Limits(requests_per_minute=5))
    quotas = _quotas(made, clocks)

    await _admitted(quotas, Need(30, 0))
    requests, tokens = quotas.remaining(CALLER)
    assert (requests.most, round(requests.left), requests.resets_in) == (5, 4, 61)
    assert (tokens.most, round(tokens.left), tokens.resets_at) == (100, 70, NOON + 61)
    assert quotas.known_usage(CALLER) == await quotas.usage(CALLER)
    assert quotas.remaining("somebody else") == []
    assert quotas.known_usage("somebody else") == []


async def test_other_rules_keep_what_is_used() -> None:
    quotas = _quotas(rules(Limits(streams=2, tokens_per_minute=1_000), [Budget(1)]))
    open_request = await _admitted(quotas, Need(500, 0.5))

    quotas.use(rules(Limits(streams=3, tokens_per_minute=600), [Budget(2)]))
    assert [(usage.most, usage.left) for usage in await quotas.usage(CALLER)] == [(3, 2), (600, 100), (2, 1.5)]
    open_request.commit(100, 0.25)
    assert [usage.left for usage in await quotas.usage(CALLER)] == [3, 500, 1.75]
    quotas.use(rules())
    assert not quotas.is_limited(CALLER)


async def test_a_reload_with_more_limits_than_there_is_room_for_changes_nothing() -> None:
    quotas = _quotas(rules(Limits(streams=2), names=("ada", "bob")))
    await _admitted(quotas)
    room = rules(Limits(streams=3), names=("ada", *map(str, range(700))))
    too_many = rules(Limits(streams=4), names=("ada", *map(str, range(2_000))))

    quotas.use(room)
    with pytest.raises(TooManyLimits, match="restart"):
        quotas.use(too_many)
    assert [(usage.most, usage.used) for usage in await quotas.usage(CALLER)] == [(3, 1)]


async def test_a_jump_of_the_clock_neither_frees_a_budget_nor_locks_one() -> None:
    clocks = Clocks()
    quotas = _quotas(rules(Limits(requests_per_minute=100), [Budget(1, "day"), Budget(1, "hour", "sliding")]), clocks)
    await _spend(quotas, 1)

    for jump in (86_400 * 40, -86_400 * 90, 86_400 * 50):
        clocks.jump(jump)
        for _ in range(10):
            clocks.advance(60)
            await _denied(quotas)
    assert (await _denied(quotas)).resets_at == MIDNIGHT
    clocks.advance(12 * 3_600 - 1_800)
    await _admitted(quotas)


async def test_a_thousand_at_once_get_no_more_than_there_is() -> None:
    quotas = _quotas(
        rules(
            Limits(requests_per_minute=500, tokens_per_minute=10_000, streams=300),
            [Budget(2.5)],
            Limits(tokens_per_minute=9_000),
        )
    )
    outcomes: list[int] = []

    async def one(number: int) -> None:
        reservation = await quotas.admit(CALLER)
        await asyncio.sleep(0)
        if isinstance(reservation, Denial):
            return
        denial = await reservation.reserve(Need(20 + number % 30, 0.01))
        await asyncio.sleep(0)
        outcomes.append(denial is None)
        reservation.commit(*((0, 0) if denial else (20, 0.005)))

    tasks = [asyncio.create_task(one(number)) for number in range(1_000)]
    for _ in range(6):
        await asyncio.sleep(0)
        for usage in await quotas.usage(CALLER):
            assert usage.used + usage.reserved <= usage.most + 1e-6
    await asyncio.gather(*tasks)
    assert len(outcomes) == 300
    assert (await _usage(quotas, "tokens_per_minute")).used == 20 * sum(outcomes)
    assert all(usage.reserved == pytest.approx(0) for usage in await quotas.usage(CALLER))

"""Limits that gateways share in a real Redis: bursts, a server that goes and comes back, clocks that jump."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from app.quotas import Denial, LimitUsage, Need, Quotas, Reservation, Rules, StateLost, StateUnreachable
from app.quotas.redis_calls import RedisCalls
from app.settings import Budget, Limits, QuotaSettings
from telemetry.names import QuotaLimit
from tests.redis_server import PASSWORD, RedisServer, program, running
from tests.unit.quotas.made import CALLER, Clocks, rules

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        program() is None and not os.environ.get("CI"), reason="Redis is not installed (Debian: redis-server)"
    ),
]
RULES = rules(Limits(requests_per_minute=1_000, streams=5), [Budget(10)], team_budgets=[Budget(10, "hour", "sliding")])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as found:
        yield found


@pytest.fixture
def store(server: RedisServer, request: pytest.FixtureRequest) -> str:
    """A part of the server for each test alone."""
    return f"{server.url}?prefix={request.node.name.replace('[', '-').rstrip(']')}"


@asynccontextmanager
async def _quotas(
    store: str, made: Rules = RULES, on_loss: str = "start_at_zero", clocks: Clocks | None = None
) -> AsyncIterator[Quotas]:
    settings = QuotaSettings(store, on_loss)  # type: ignore[arg-type]
    quotas = Quotas(made, settings, even=clocks.even) if clocks else Quotas(made, settings)
    await quotas.start()
    try:
        yield quotas
    finally:
        await quotas.close()


async def _admitted(quotas: Quotas, need: Need | None = None) -> Reservation:
    reservation = await quotas.admit(CALLER)
    assert not isinstance(reservation, Denial)
    if need is not None:
        assert await reservation.reserve(need) is None
    return reservation


async def _used(quotas: Quotas, limit: QuotaLimit) -> float:
    return next(usage.used for usage in await quotas.usage(CALLER) if usage.limit == limit)


async def _until(fulfilled: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + 10
    while not await fulfilled():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def _until_sent(quotas: Quotas, used: float) -> None:
    async def is_sent() -> bool:
        return abs(await _used(quotas, "budget_month") - used) < 1e-6

    await _until(is_sent, f"${used} spent")


async def test_two_gateways_a_thousand_requests_at_once(store: str) -> None:
    limits = Limits(requests_per_minute=700, tokens_per_minute=10_000, streams=400)
    made = rules(limits, [Budget(3)], team_budgets=[Budget(2.9, "day", "sliding")])
    random = Random(7)
    outcomes: list[int] = []

    async def one(quotas: Quotas, tokens: int) -> None:
        reservation = await quotas.admit(CALLER)
        if isinstance(reservation, Denial):
            return
        denial = await reservation.reserve(Need(tokens, 0.01))
        outcomes.append(0 if denial else tokens // 2)
        await asyncio.sleep(random.random() / 100)
        reservation.commit(*((0, 0) if denial else (tokens // 2, 0.005)))

    async with _quotas(store, made) as first, _quotas(store, made) as second:
        tasks = [asyncio.create_task(one(random.choice([first, second]), 20 + n % 30)) for n in range(1_000)]
        while not all(task.done() for task in tasks):
            for usage in await first.usage(CALLER):
                assert usage.used + usage.reserved <= usage.most + 1e-6
        await asyncio.gather(*tasks)
        passed = len([tokens for tokens in outcomes if tokens])
        assert passed > 200
        await _until_sent(second, passed * 0.005)
        assert await _used(second, "tokens_per_minute") == sum(outcomes)
        assert all(usage.reserved == pytest.approx(0) for usage in await second.usage(CALLER))
        assert not first.state.is_local
        left = {remaining.limit: remaining.left for remaining in second.remaining(CALLER)}
        counted = {usage.limit: usage.left for usage in await second.usage(CALLER)}
        assert left == {limit: counted[limit] for limit in ("requests_per_minute", "tokens_per_minute")}


async def _middle_of_a_second() -> None:
    """Clocks that differ by a little are then in the same second."""
    await asyncio.sleep((1.3 - time.time() % 1) % 1)


@pytest.mark.parametrize("seed", range(12))
async def test_it_decides_as_the_memory_of_a_process_does(store: str, seed: int) -> None:
    """Both get the same requests at the same times."""
    limits = Limits(requests_per_minute=12, tokens_per_minute=1_000, streams=4, request_tokens=700)
    budgets = [Budget(3, "hour", "sliding"), Budget(6), Budget(2, "hour", "sliding", "warn", (0.5,))]
    made = rules(limits, budgets, Limits(tokens_per_minute=1_500), [Budget(5, "day"), Budget(5, "month", "sliding")])
    random, clocks = Random(seed), Clocks()
    await _middle_of_a_second()
    clocks.even_time = clocks.wall_time = time.time()
    memory = Quotas(made, QuotaSettings(), even=clocks.even, wall=clocks.wall)
    open_requests: list[tuple[Reservation, Reservation, Need]] = []
    async with _quotas(store, made, clocks=clocks) as quotas:
        for _ in range(60):
            match random.randrange(4):
                case 0:
                    clocks.advance(random.choice([3, 7, 20, 61, 1_000]))
                case 1 if open_requests:
                    one, other, need = open_requests.pop(random.randrange(len(open_requests)))
                    share = random.random() * 1.2
                    truth = int(need.tokens * share), need.usd * share
                    expected = one.commit(*truth)
                    assert other.commit(*truth) is not None
                    await _until_same(memory, quotas)
                    got = quotas.take_crossed()
                    assert [(each.share, each.most) for each in got] == [(each.share, each.most) for each in expected]
                case _:
                    need = Need(random.randrange(800), random.random() * 1.5)
                    one_or, other_or = await memory.admit(CALLER), await quotas.admit(CALLER)
                    if isinstance(one_or, Denial) or isinstance(other_or, Denial):
                        _assert_same(one_or, other_or)
                        continue
                    first, second = await one_or.reserve(need), await other_or.reserve(need)
                    _assert_same(first, second)
                    open_requests.append((one_or, other_or, need if first is None else Need(0, 0)))
            await _until_same(memory, quotas)


def _assert_same(one: object, other: object) -> None:
    if one is None and other is None:
        return
    assert isinstance(one, Denial)
    assert isinstance(other, Denial)
    assert (one.scope, one.limit, one.most) == (other.scope, other.limit, other.most)
    assert one.used == pytest.approx(other.used)
    assert (one.retry_after is None) == (other.retry_after is None)
    assert one.retry_after is None or one.retry_after == pytest.approx(other.retry_after, abs=0.3)
    assert one.resets_at is None or one.resets_at == pytest.approx(other.resets_at, abs=0.3)


async def _until_same(one: Quotas, other: Quotas) -> None:
    def terms(usages: list[LimitUsage]) -> list[tuple[object, ...]]:
        return [(each.limit, each.most, round(each.used, 4), round(each.reserved, 4)) for each in usages]

    async def are_same() -> bool:
        return terms(await one.usage(CALLER)) == terms(await other.usage(CALLER))

    try:
        await _until(are_same, "the same numbers")
    except AssertionError:
        assert terms(await one.usage(CALLER)) == terms(await other.usage(CALLER))


async def test_what_a_dead_gateway_held_is_free_again(store: str) -> None:
    clocks = Clocks()
    async with _quotas(store, clocks=clocks) as second:
        async with _quotas(store) as first:
            for _ in range(5):
                await _admitted(first, Need(1, 1))
            assert [one.used for one in first.known_usage(CALLER) if one.limit == "streams"] == [5]
        denial = await second.admit(CALLER)
        assert isinstance(denial, Denial)
        assert denial.limit == "streams"
        clocks.advance(20)
        await _admitted(second, Need(1, 8))


async def test_a_request_that_gives_up_while_it_is_admitted_holds_nothing(store: str) -> None:
    async with _quotas(store) as quotas:
        task = asyncio.ensure_future(quotas.admit(CALLER))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def counted_but_gone() -> bool:
            return await _used(quotas, "streams") == 0 and await _used(quotas, "requests_per_minute") == 1

        await _until(counted_but_gone, "it is given back")


async def test_while_the_server_is_gone_each_gateway_counts_alone_and_brings_it_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running() as server:
        async with _quotas(server.url) as quotas:
            await _spend(quotas, 1)
            await _until_sent(quotas, 1)
            held = await _admitted(quotas, Need(1, 2))
            server.stop()
            alone = [await _admitted(quotas, Need(1, 1)) for _ in range(5)]
            assert isinstance(await quotas.admit(CALLER), Denial)
            alone[0].commit(1, 0.5)
            assert quotas.state.is_local
            assert await _used(quotas, "budget_month") == 0.5
            server.start()

            async def is_back() -> bool:
                return not quotas.state.is_local

            await _until(is_back, "it has found the server again")
            assert await _used(quotas, "streams") == 5
            await _until_sent(quotas, 0.5)
            held.commit(1, 2)
            for reservation in alone[1:]:
                reservation.commit(1, 1)
            await _until_sent(quotas, 6.5)
            assert all(usage.reserved == 0 for usage in await quotas.usage(CALLER))
    assert "this process counts alone" in caplog.text
    assert PASSWORD not in caplog.text


async def _spend(quotas: Quotas, usd: float) -> None:
    (await _admitted(quotas, Need(1, usd))).commit(1, usd)


async def test_a_server_that_hangs_is_not_waited_for_and_nothing_counts_twice(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server:
        async with _quotas(server.url) as quotas:
            held, other = await _admitted(quotas, Need(1, 2)), await _admitted(quotas, Need(1, 2))
            server.pause()
            began = time.monotonic()
            held.commit(1, 1)
            await asyncio.sleep(0)
            other.commit(1, 0.5)
            reservation = await _admitted(quotas, Need(1, 1))
            assert time.monotonic() - began < 2
            assert quotas.state.is_local
            reservation.commit(1, 1)
            server.resume()

            async def is_back() -> bool:
                return not quotas.state.is_local

            await _until(is_back, "it has found the server again")
            await _until_sent(quotas, 2.5)
            usages = await quotas.usage(CALLER)
            assert {usage.limit: usage.used for usage in usages}["streams"] == 0
            assert all(usage.reserved == 0 for usage in usages)
    assert "again" in caplog.text


async def test_a_server_that_has_forgotten_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server:
        async with _quotas(server.url) as quotas:
            await _admitted(quotas, Need(1, 2))
            server.stop()
            server.start()

            async def is_noticed() -> bool:
                return quotas.state.losses == 1 and not quotas.state.is_local

            await _until(is_noticed, "the loss is noticed")
            assert await _used(quotas, "streams") == 1
    assert "forgotten" in caplog.text


async def test_nothing_passes_uncounted_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server:
        url = server.url
        async with _quotas(url, on_loss="refuse") as quotas:
            held = await _admitted(quotas, Need(1, 1))
            waiting = await _admitted(quotas)
            server.stop()
            with pytest.raises(StateUnreachable):
                await quotas.admit(CALLER)
            with pytest.raises(StateUnreachable):
                await waiting.reserve(Need(1, 1))
            with pytest.raises(StateUnreachable):
                await quotas.usage(CALLER)
            held.commit(1, 1)
            waiting.commit(0, 0)
            server.start()

            async def is_back() -> bool:
                return not quotas.state.is_local

            await _until(is_back, "it has found the server again")
            await _admitted(quotas, Need(1, 1))
            await _until_sent(quotas, 1)
    assert "are refused" in caplog.text


async def test_a_start_without_the_server(caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    with pytest.raises(StateLost, match=r"the Redis 127\.0\.0\.1:1/0 cannot be reached"):
        await Quotas(RULES, QuotaSettings(url, "refuse")).start()
    with caplog.at_level(logging.WARNING):
        async with _quotas(url) as quotas:
            await _admitted(quotas, Need(1, 1))
            assert (quotas.state.losses, quotas.state.is_local) == (1, True)
    assert "begin at zero" in caplog.text
    assert PASSWORD not in caplog.text


async def test_a_wrong_password_is_told_without_it(server: RedisServer) -> None:
    url = server.url.replace(PASSWORD, "wrong-and-secret")
    with pytest.raises(StateLost) as caught:
        await Quotas(RULES, QuotaSettings(url, "refuse")).start()
    assert "password" in str(caught.value)
    assert "wrong-and-secret" not in str(caught.value)


async def test_a_jump_of_the_servers_clock_is_taken_out_once_and_believed_later(server: RedisServer) -> None:
    calls = RedisCalls(server.url, 5)
    keys = ["{jumps}:gateways", "{jumps}:clock"]

    async def tick(name: str, last: float, elapsed: float, epoch: float, believed_after: float = 900) -> list[float]:
        arguments = map(str, (name, last, elapsed, epoch, 2, believed_after, ""))
        return [float(each) for each in await calls.call("tick.lua", keys, list(arguments))]

    now, *_, known = await tick("a", -1, 0, 0)
    assert known == 0
    day = 86_400
    _, epoch, steady, calendar, jumps, *_ = await tick("a", now - day, 0, 0)
    assert (epoch, round(steady), round(calendar), jumps) == (1, -day, -day, 0)
    _, epoch, steady, *_ = await tick("b", now - day, 0, 0)
    assert (epoch, round(steady)) == (1, -day)
    _, epoch, steady, calendar, jumps, *_ = await tick("a", now + day, 0, 1)
    assert (epoch, round(steady), round(calendar), jumps) == (2, 0, 0, 0)
    _, epoch, steady, calendar, *_ = await tick("a", now - day, 0, 2)
    later, epoch, steady, calendar, jumps, began, ended, _ = await tick("a", now, _seconds_since(now), 3, 0)
    assert (round(steady), calendar, jumps) == (-day, 0, 1)
    assert (round(began - later), round(ended - later)) == (-day, 0)
    await calls.close()


def _seconds_since(server_time: float) -> float:
    """Seconds since then, by the clock that the server of this machine has, too."""
    return time.time() - server_time

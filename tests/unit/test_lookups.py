"""Slow, failing and changing names; the resolver is a scripted one, asked in real threads."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from app.lookups import Lookups, Question
from app.settings import DnsSettings, Seconds
from tests.support import run
from tests.unit.backends.fakes import Clock

NAME = Question("h.test")
NO_SUCH = socket.gaierror(socket.EAI_NONAME, "no such name")
UNKNOWN = socket.gaierror(socket.EAI_AGAIN, "no server answers")


class NameServer:
    """Answers with the address, or the error, that stands for a name; those in `slow` are answered after `release`."""

    def __init__(self, *slow: str) -> None:
        self.answers: dict[str, str | socket.gaierror] = {}
        self.asked: list[str] = []
        self.slow = set(slow)
        self.release = threading.Event()

    def getaddrinfo(self, host: str, *rest: int) -> list[Any]:
        self.asked.append(host)
        if host in self.slow:
            self.release.wait(20)
        answer = self.answers.get(host, "192.0.2.1")
        if isinstance(answer, socket.gaierror):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in answer.split()]


class Resolving:
    def __init__(self, server: NameServer, limit: int | None = None, **settings: float) -> None:
        self.clock = Clock()
        settings_ = DnsSettings(**{name: Seconds(value) for name, value in settings.items()})
        self.lookups = Lookups(settings_, limit=limit, getaddrinfo=server.getaddrinfo, clock=self.clock)

    async def first(self, host: str = NAME.host) -> str:
        return str((await self.lookups.find(Question(host)))[0][4][0])

    async def until(self, answer: str | int, host: str = NAME.host) -> None:
        """An address, or what is wrong."""
        for _ in range(10_000):
            if await self.result(host) == answer:
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"never {answer}")

    async def result(self, host: str = NAME.host) -> str | int | None:
        try:
            return await self.first(host)
        except socket.gaierror as error:
            return error.errno


async def failure(of: Any) -> int | None:
    try:
        await of
    except socket.gaierror as error:
        return error.errno
    raise AssertionError("it is found")


def test_a_name_is_asked_for_once_however_many_want_it_and_again_after_its_time() -> None:
    server = NameServer()
    resolving = Resolving(server, ttl=30, max_stale=0)

    async def main() -> None:
        assert set(await asyncio.gather(*(resolving.first() for _ in range(20)))) == {"192.0.2.1"}
        resolving.clock.now += 29
        await resolving.first()
        assert len(server.asked) == 1
        server.answers[NAME.host] = "192.0.2.2"
        resolving.clock.now += 2
        assert await resolving.first() == "192.0.2.2"
        assert len(server.asked) == 2

    run(main())


def test_names_that_hang_hold_up_no_other_and_are_given_up_in_time() -> None:
    slow = [f"{number}.slow" for number in range(40)]
    server = NameServer(*slow)
    resolving = Resolving(server, timeout=0.2)

    async def main() -> None:
        waiting = [asyncio.ensure_future(failure(resolving.first(name))) for name in slow]
        await asyncio.sleep(0)
        assert await resolving.first() == "192.0.2.1"
        assert set(await asyncio.gather(*waiting)) == {socket.EAI_AGAIN}
        # The next one waits for the same look-up, whose time is up.
        resolving.clock.now += 1
        before = len(server.asked)
        assert await failure(resolving.first(slow[0])) == socket.EAI_AGAIN
        assert len(server.asked) == before
        server.release.set()
        await resolving.until("192.0.2.1", slow[0])

    try:
        run(main())
    finally:
        server.release.set()


def test_an_old_answer_serves_while_a_new_one_is_on_its_way() -> None:
    server = NameServer()
    resolving = Resolving(server, ttl=30, max_stale=600)

    async def main() -> None:
        assert await resolving.first() == "192.0.2.1"
        server.slow.add(NAME.host)
        server.answers[NAME.host] = "192.0.2.2"
        resolving.clock.now += 31
        assert [await resolving.first() for _ in range(3)] == ["192.0.2.1"] * 3
        server.release.set()
        await resolving.until("192.0.2.2")
        assert len(server.asked) == 2

    run(main())


def test_an_old_answer_serves_while_no_server_answers_but_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    server = NameServer()
    resolving = Resolving(server, ttl=30, max_stale=600)

    async def main() -> None:
        assert await resolving.first() == "192.0.2.1"
        server.answers[NAME.host] = UNKNOWN
        for _ in range(19):
            resolving.clock.now += 31
            assert await resolving.first() == "192.0.2.1"
        resolving.clock.now += 31
        await resolving.until(socket.EAI_AGAIN)
        # Within moments of a failure nobody is asked again.
        asked = len(server.asked)
        assert await resolving.result() == socket.EAI_AGAIN
        assert len(server.asked) == asked

    run(main())
    assert [record.message.startswith("h.test cannot be looked up") for record in caplog.records] == [True]


def test_a_name_that_is_gone_is_gone() -> None:
    server = NameServer()
    resolving = Resolving(server, ttl=30, max_stale=600)

    async def main() -> None:
        assert await resolving.first() == "192.0.2.1"
        server.answers[NAME.host] = NO_SUCH
        resolving.clock.now += 31
        await resolving.until(socket.EAI_NONAME)
        asked = len(server.asked)
        assert await failure(resolving.first()) == socket.EAI_NONAME
        assert len(server.asked) == asked
        server.answers[NAME.host] = "192.0.2.3"
        resolving.clock.now += 3
        assert await resolving.first() == "192.0.2.3"

    run(main())


def test_addresses_take_turns() -> None:
    server = NameServer()
    server.answers[NAME.host] = "192.0.2.1 192.0.2.2"
    resolving = Resolving(server)

    async def main() -> list[str]:
        return [await resolving.first() for _ in range(3)]

    assert run(main()) == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]


def test_look_ups_for_callers_are_bounded_in_number() -> None:
    server = NameServer("a.slow", "b.slow")
    resolving = Resolving(server, limit=2, timeout=20)

    async def main() -> None:
        waiting = [asyncio.ensure_future(resolving.first(name)) for name in ("a.slow", "b.slow")]
        await asyncio.sleep(0)
        assert await failure(resolving.first()) == socket.EAI_AGAIN
        server.release.set()
        await asyncio.gather(*waiting)
        resolving.clock.now += 3
        assert await resolving.first() == "192.0.2.1"

    run(main())


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..test", "é" * 70])
def test_what_can_be_no_name_is_none(name: str) -> None:
    lookups = Lookups(DnsSettings())
    assert run(failure(lookups.find(Question(name)))) in (socket.EAI_NONAME, socket.EAI_AGAIN)

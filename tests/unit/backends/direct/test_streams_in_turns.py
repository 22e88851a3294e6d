"""A provider's stream whose chunks are taken in the turn in which its connection brings them."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.direct import CODECS, DirectBackend, SharedResources
from app.bodies import Bodies
from app.errors import GatewayError, UpstreamFailed, UpstreamTruncated
from app.http_client import UpstreamResponse
from app.lookups import Lookups
from app.messages import Received
from app.settings import DnsSettings
from telemetry import Attempt
from tests.support import run
from tests.unit.backends.direct.rig import ANTHROPIC, OPENAI, body_of, deployment
from tests.unit.backends.fakes import FakeAttempt, ask, text_of
from tests.unit.http_client.rig import connected, turns
from tests.upstream import anthropic_text_events, openai_events

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = openai_events({"content": "Hel"}, {"content": "lo"})
ERROR = b'data: {"error": {"message": "no", "type": "server_error", "code": 500}}\n\n'
BODIES = {
    "well": (EVENTS, OPENAI),
    "well, with more behind it": ([*EVENTS, b": more\n\n"], OPENAI),
    "of Anthropic's": (anthropic_text_events("Hel", "lo"), ANTHROPIC),
    "with an error": ([*EVENTS[:2], ERROR], OPENAI),
    "with a bad event": ([*EVENTS[:2], b"data: {nonsense\n\n", *EVENTS[2:]], OPENAI),
    "too early": (EVENTS[:2], OPENAI),
    "amid an event": ([*EVENTS[:2], EVENTS[2][:20]], OPENAI),
}


class OneConnection:
    """The way to a provider: one connection, which a test has bytes come by."""

    def __init__(self) -> None:
        self.connection, self.transport, self.owner = connected()

    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], attempt: Attempt | None = None
    ) -> UpstreamResponse:
        return await self.connection.exchange(method, b"", b"")

    async def aclose(self) -> None:
        """Do nothing: the test has the connection."""

    def comes(self, data: bytes) -> None:
        self.connection.data_received(b"%x\r\n%b\r\n" % (len(data), data))

    def ends(self) -> None:
        self.connection.data_received(b"0\r\n\r\n")


class Taker:
    """Keeps the chunks, each by itself. Those batches fall behind whose numbers are in `behind`."""

    def __init__(self, behind: frozenset[int] = frozenset()) -> None:
        self.received: list[Received] = []
        self.batches = 0
        self.behind = behind

    def take(self, batch: Sequence[Received]) -> bool:
        self.received += [one for received in batch for one in received.apart()]
        self.batches += 1
        return self.batches - 1 not in self.behind


class Reading:
    """A reader that passes a stream to a taker up to its end."""

    def __init__(self, model: str = OPENAI, behind: frozenset[int] = frozenset()) -> None:
        self.way, self.taker = OneConnection(), Taker(behind)
        given = deployment(model, api_base="http://provider.invalid")
        shared = SharedResources(5, 1 << 20, Lookups(DnsSettings()), Bodies(1 << 24))
        backend = DirectBackend(given, CODECS[given.backend](given), shared, self.way)
        self._stream = backend.stream(ask(), FakeAttempt())
        self.error: GatewayError | None = None
        self.fell_behind = 0
        self.task = asyncio.ensure_future(self._read())

    @property
    def text(self) -> str:
        return text_of(self.taker.received)

    async def _read(self) -> None:
        try:
            while await self._stream.pass_to(self.taker):
                self.fell_behind += 1
                await asyncio.sleep(0)
        except GatewayError as error:
            self.error = error


async def begun(model: str = OPENAI, behind: frozenset[int] = frozenset()) -> Reading:
    reading = Reading(model, behind)
    await turns()
    reading.way.connection.data_received(HEAD)
    await turns()
    return reading


def test_an_event_is_a_chunk_in_the_turn_in_which_it_comes() -> None:
    async def main() -> None:
        reading = await begun()
        reading.way.comes(EVENTS[0])
        await turns()
        for number, event in enumerate(EVENTS[1:], 2):
            reading.way.comes(event)
            assert len(reading.taker.received) == number
        assert not reading.task.done()
        reading.way.ends()
        assert reading.way.owner.events == ["released"]
        await reading.task
        assert (reading.text, reading.error, reading.fell_behind) == ("Hello", None, 0)
        assert not reading.way.transport.is_closing()

    run(main())


def test_an_error_in_the_connections_turn_ends_the_stream_and_the_connection() -> None:
    async def main() -> None:
        reading = await begun()
        for event in (EVENTS[0], EVENTS[1], ERROR, EVENTS[2]):
            reading.way.comes(event)
            await turns()
        await reading.task
        assert isinstance(reading.error, UpstreamFailed)
        assert len(reading.taker.received) == 2
        assert reading.way.transport.is_closing()

    run(main())


@pytest.mark.parametrize("behind", [frozenset(), frozenset({1, 2})])
def test_a_connection_that_is_lost_is_told_after_what_came(behind: frozenset[int]) -> None:
    async def main() -> None:
        reading = await begun(behind=behind)
        reading.way.comes(EVENTS[0])
        await turns()
        reading.way.comes(EVENTS[1])
        reading.way.comes(EVENTS[2])
        reading.way.connection.connection_lost(ConnectionResetError())
        await reading.task
        assert isinstance(reading.error, UpstreamTruncated)
        assert (reading.text, len(reading.taker.received)) == ("Hello", 3)

    run(main())


def test_who_is_cancelled_while_it_waits_closes_the_connection() -> None:
    async def main() -> None:
        reading = await begun()
        reading.way.comes(EVENTS[0])
        await turns()
        reading.task.cancel()
        await asyncio.wait({reading.task})
        assert reading.way.transport.is_closing()
        reading.way.comes(EVENTS[1])
        assert len(reading.taker.received) == 1

    run(main())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(BODIES)), st.data())
def test_however_a_stream_is_cut_and_its_reader_falls_behind_it_is_the_same(name: str, data: st.DataObject) -> None:
    events, model = BODIES[name]
    body = b"".join(events)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=6, unique=True).map(sorted), label="cuts")
    pauses = data.draw(st.lists(st.booleans(), min_size=len(cuts) + 1, max_size=len(cuts) + 1), label="pauses")
    behind = data.draw(st.frozensets(st.integers(0, 8)), label="behind")

    async def played(cuts: Sequence[int], pauses: Sequence[bool], behind: frozenset[int]) -> Reading:
        reading = await begun(model, behind)
        for start, end, pause in zip([0, *cuts], [*cuts, len(body)], pauses, strict=True):
            if body[start:end]:
                reading.way.comes(body[start:end])
            if pause:
                await turns()
        reading.way.ends()
        await reading.task
        return reading

    async def main() -> None:
        usual, this = await played([], [True], frozenset()), await played(cuts, pauses, behind)
        assert body_of(this.taker.received) == body_of(usual.taker.received)
        assert [one.chunk for one in this.taker.received] == [one.chunk for one in usual.taker.received]
        assert (type(this.error), str(this.error)) == (type(usual.error), str(usual.error))
        assert this.fell_behind == len([number for number in behind if number < this.taker.batches])

    run(main())

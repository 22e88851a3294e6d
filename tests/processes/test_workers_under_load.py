"""Two workers with hundreds of open streams and callers that never stop asking, over reloads, a rolling restart and the
end of a worker that is killed: what clients see is what `/metrics` adds up to, and no count ever falls."""

import asyncio
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import openai
import pytest

from tests.behaviour.administered import AdminApi
from tests.behaviour.clients import ask
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.many_clients import KeptConnection, RawReply, content, stream
from tests.processes.test_workers import Scrapes, Workers, both
from tests.upstream import Body, End, Head, Received, Script, ScriptedUpstream, Sleep, Until, openai_events

_STREAMS, _RELOADS, _ASKING, _HELD = 500, 20, 8, 60
_PACED, _PACE = 6, 0.5
"""So many words of a stream come so many seconds apart; the last one comes when all else is done."""
_SCRAPED_EVERY, _ASKED_EVERY = 0.2, 0.03
_STAMP = """
from flowspan import Policy

class Stamp(Policy):
    def __init__(self, *, mark: str) -> None:
        self.mark = mark

    async def on_content_delta(self, text, ctx):
        await ctx.emit_text(text.replace("@", self.mark))
"""
_OUTCOME = re.compile(r'flowspan_requests_total\{.*outcome="(\w+)"')


class Scraper:
    """Reads the metrics again and again beside everything else; each time no count may have fallen."""

    def __init__(self, served: Workers) -> None:
        self.scrapes = 0
        self._scrapes = Scrapes(served)
        self._before = self._outcomes()
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._go_on, name="scraper")

    def __enter__(self) -> "Scraper":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def outcomes(self) -> Counter[str]:
        """How many requests have ended how since the beginning; only after all else, as nobody else reads then."""
        self.__exit__()
        if self._failed is not None:
            raise self._failed
        return self._outcomes() - self._before

    def counts(self) -> dict[str, float]:
        """All counts, by the name and the labels of their series."""
        return self._scrapes.read()

    def _go_on(self) -> None:
        try:
            while not self._stop.wait(_SCRAPED_EVERY):
                self._scrapes.read()
                self.scrapes += 1
        except BaseException as failed:
            self._failed = failed

    def _outcomes(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for series, value in self._scrapes.read().items():
            if matched := _OUTCOME.match(series):
                found[matched[1]] += int(value)
        return found


class Holding:
    """A provider that repeats what it is asked, a word at a time, and holds the last word until it is `released`."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    def __call__(self, number: int, received: Received) -> Script:
        words = received.json()["messages"][0]["content"].split(" ")
        role, *events = (Body(event) for event in openai_events(*({"content": f"{word} "} for word in words)))
        yield Head()
        yield role
        for event in events[:_PACED]:
            yield event
            yield Sleep(_PACE)
        yield Until(self.released)
        yield from events[_PACED:]
        yield End()


_ASKS = "key-of-every-generation"


def _key(number: int) -> str:
    return f"key-of-generation-{number:04}"


def _text(folder: Path, provider: str, number: int) -> str:
    """The configuration of a generation: its key, its model and its policy are no other's."""
    gateway = f"""
  server: {{workers: 2, lame_duck: 200ms, drain_timeout: 100s}}
  console: off
  admin: {{socket: {folder / "admin.sock"}}}
  keys: [{{name: caller, key: {_key(number)}}}, {{name: asking, key: {_ASKS}}}]
  policies: [{{use: './stamp.py:Stamp', config: {{mark: '<{number}>'}}}}]
  pipeline: {{queue_items: {100 + number}}}"""
    return configuration(
        [f"m{number}: {{model: openai/gpt-x, api_base: '{provider}/v1', api_key: sk-p}}", *simulated("echo")], gateway
    )


@asynccontextmanager
async def _served(folder: Path, text: str) -> AsyncIterator[Workers]:
    served = await asyncio.to_thread(Workers, folder, text)
    try:
        await asyncio.to_thread(both, served)
        yield served
    finally:
        await asyncio.to_thread(served.__exit__, None, None, None)


class Asking:
    """Callers that ask one small request after the other, each on a connection that it keeps."""

    def __init__(self, port: int, callers: int) -> None:
        self.answers: list[RawReply] = []
        self._port = port
        self._stop = False
        self._tasks = [asyncio.create_task(self._go_on()) for _ in range(callers)]

    async def end(self) -> Counter[int]:
        """How many answers had which status; 0 stands for those that did not come, or came in part."""
        self._stop = True
        await asyncio.gather(*self._tasks)
        return Counter(answer.status if answer.is_whole else 0 for answer in self.answers)

    async def _go_on(self) -> None:
        connection = KeptConnection(self._port, _ASKS)
        while not self._stop:
            self.answers.append(await connection.ask(ask("echo")))
            await asyncio.sleep(_ASKED_EVERY)
        connection.close()


def _batches() -> Iterable[tuple[int, range]]:
    """Each generation with the numbers of the streams that begin in it: half of all in the first one."""
    later = _STREAMS // 2 // _RELOADS
    ends = [_STREAMS - later * (_RELOADS - number) for number in range(_RELOADS + 1)]
    return ((number + 1, range(ends[number - 1] if number else 0, end)) for number, end in enumerate(ends))


def _words(stream_number: int) -> list[str]:
    return [f"@{stream_number}.{word}" for word in range(_PACED + 1)]


@pytest.mark.timeout(180)
def test_no_stream_is_lost_over_twenty_configurations_and_a_rolling_restart(tmp_path: Path) -> None:
    (tmp_path / "stamp.py").write_text(_STAMP)

    async def all_of_it() -> None:
        holding = Holding()
        async with (
            ScriptedUpstream(holding) as provider,
            _served(tmp_path, _text(tmp_path, provider.url, 1)) as served,
        ):
            api = AdminApi(tmp_path / "admin.sock")
            first = served.pids
            with await asyncio.to_thread(Scraper, served) as scraper:
                asking = Asking(served.port, _ASKING)
                streams, refused = await _begin(served, api, tmp_path, provider.url)
                assert len(provider.requests) == _STREAMS
                restart = await asyncio.to_thread(api.act, "POST", "/v1/workers/restart")
                assert restart["replaced"] == 2
                assert not any(task.done() for _, task in streams), "all are open over all of it"
                holding.released.set()
                answers = [(number, await task) for number, task in streams]
                asked = await asking.end()
                await _until(lambda: not served.pids & first, "the old ones end")
                outcomes = await asyncio.to_thread(scraper.outcomes)
            for stream_number, (number, answer) in enumerate(answers):
                assert (answer.status, answer.is_whole) == (200, True)
                expected = [word.replace("@", f"<{number}>") for word in _words(stream_number)]
                assert content(answer.body).split() == expected
            assert set(asked) == {200}
            assert outcomes == {"ok": _STREAMS + asked[200], "client_error": refused}
            assert min(scraper.scrapes, asked[200]) > _RELOADS

    asyncio.run(all_of_it())


async def _begin(
    served: Workers, api: AdminApi, folder: Path, provider: str
) -> tuple[list[tuple[int, asyncio.Task[RawReply]]], int]:
    """All streams, open, with the generation that each began in; and how many requests were refused meanwhile."""
    begun, refused = asyncio.Semaphore(0), 0
    streams: list[tuple[int, asyncio.Task[RawReply]]] = []
    for number, batch in _batches():
        if number > 1:
            (folder / "flowspan.yaml").write_text(_text(folder, provider, number))
            assert (await asyncio.to_thread(api.act, "POST", "/v1/reload"))["generation"] == number
            old = await stream(served.port, ask(f"m{number}"), _key(number - 1))
            gone = await stream(served.port, ask(f"m{number - 1}"), _key(number))
            assert (old.status, gone.status) == (401, 404)
            refused += 2
        for stream_number in batch:
            asked = ask(f"m{number}", text=" ".join(_words(stream_number)), stream=True)
            streams.append((number, asyncio.create_task(stream(served.port, asked, _key(number), begun))))
        for _ in batch:
            await asyncio.wait_for(begun.acquire(), 30)
    return streams, refused


@pytest.mark.timeout(120)
def test_a_worker_that_is_killed_under_load_costs_what_it_had_under_way_and_nothing_else(tmp_path: Path) -> None:
    """Each of its requests breaks off, which no client can take for an end. What had ended before is counted, and stays
    counted; of each of its connections the last request may have been answered a moment before it was counted."""
    (tmp_path / "stamp.py").write_text(_STAMP)

    async def all_of_it() -> None:
        holding = Holding()
        async with (
            ScriptedUpstream(holding) as provider,
            _served(tmp_path, _text(tmp_path, provider.url, 1)) as served,
        ):
            workers = served.pids
            with await asyncio.to_thread(Scraper, served) as scraper:
                asked = ask("m1", text=" ".join(_words(0)), stream=True)
                asking = Asking(served.port, 2 * _ASKING)
                of_asking = await _connected(served, 2 * _ASKING)
                held = [asyncio.create_task(stream(served.port, asked, _key(1))) for _ in range(_HELD)]
                of_held = await _connected(served, 2 * _ASKING + _HELD) - of_asking
                broken = asyncio.create_task(asyncio.to_thread(_how_a_stream_of_the_sdk_ends, served.port))
                [victim] = await _connected(served, 2 * _ASKING + _HELD + 1) - of_asking - of_held
                [other] = workers - {victim}
                busy = of_asking[victim]
                await _until(lambda: len(provider.requests) == _HELD + 1, "all have begun")
                assert min(of_held[victim], of_held[other]) > 0

                os.kill(victim, signal.SIGKILL)

                assert await broken == "RemoteProtocolError"
                await _until(lambda: sum(task.done() for task in held) == of_held[victim], "what it had has ended")
                await asyncio.to_thread(both, served)
                assert other in served.pids
                holding.released.set()
                answers = Counter((answer.status, answer.is_whole) for answer in await asyncio.gather(*held))
                assert answers == {(200, False): of_held[victim], (200, True): of_held[other]}
                asked_for = await asking.end()
                assert set(asked_for) <= {200, 0}
                assert asked_for[0] <= busy
                outcomes = await asyncio.to_thread(scraper.outcomes)
                restarts = scraper.counts()['flowspan_worker_restarts_total{reason="killed"}']
            assert set(outcomes) == {"ok"}
            answered = of_held[other] + asked_for[200]
            assert answered - busy <= outcomes["ok"] <= answered + asked_for[0]
            assert restarts == 1

    asyncio.run(all_of_it())


async def _connected(served: Workers, count: int) -> Counter[int]:
    """How many connections each worker has, once there are so many in all."""

    def connected() -> Counter[int] | None:
        found = Counter({pid: served.connections(pid) for pid in served.pids})
        return found if found.total() == count else None

    found: Counter[int] = await asyncio.to_thread(until, connected, f"{count} connections")
    return found


async def _until(fulfilled: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(until, fulfilled, what, 30)


def _how_a_stream_of_the_sdk_ends(port: int) -> str:
    """The name of the error with which OpenAI's SDK ends a stream."""
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=_key(1), max_retries=0) as sdk:
        text = " ".join(_words(0))
        try:
            for _ in sdk.chat.completions.create(model="m1", messages=[{"role": "user", "content": text}], stream=True):
                pass
        except (openai.OpenAIError, httpx.HTTPError) as error:
            return type(error).__name__
    return ""

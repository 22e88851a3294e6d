"""`flowspan watch` and the console's live feed, before a gateway that runs."""

import asyncio
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from time import monotonic

import pytest
from msgspec.structs import replace

from app.console import Console, ConsoleServer
from app.live_view.console_client import ConsoleClient, Gone, Refused
from app.live_view.frame import Frame, decode_frame
from app.live_view.watching import FEED, WatchedGateway, frame_of
from app.settings import ConsoleSettings
from telemetry.live.moments import Ended
from tests.behaviour.clients import CHAT, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.behaviour.process import COMMAND
from tests.support import run

TOKEN = "console-canary-0123456789"


@dataclass
class Watched:
    gateway: RunningGateway
    url: str

    def console(self, port: int = 0, token: str | None = None) -> ConsoleServer:
        """Another console of the gateway."""
        settings = replace(self.gateway.settings, console=ConsoleSettings(port=port, token=token))
        names = self.gateway.app.gateway.policy_names
        return ConsoleServer(Console(settings, self.gateway.telemetry, policies=names))


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    models = simulated("echo", "lorem-400+pace-20", "status-500")
    with RunningGateway(configuration(models, "  policies: [redact]")) as gateway:
        found = Watched(gateway, "")
        with closing(found.console()) as server:
            found.url = server.url
            yield found


async def newest(url: str) -> Frame:
    return frame_of(url, await ConsoleClient(url, None).json(FEED))


def test_the_feed_tells_of_streams_ends_and_policies(watched: Watched) -> None:
    post(watched.gateway, CHAT, ask("status-500"))
    with RawClient(watched.gateway) as client:
        client.post(CHAT, ask("lorem-400+pace-20", stream=True))
        client.read_until(b"data: ")
        frame = run(newest(watched.url))
    (stream,) = frame.snapshot.streams
    assert stream.model == "lorem-400+pace-20"
    assert sum(frame.waiting.values()) == 1
    assert frame.about.policies == ("redact",)
    assert not frame.about.records
    failed = [one for one in frame.snapshot.moments if isinstance(one, Ended)]
    assert [(one.model, one.outcome) for one in failed] == [("status-500", "upstream_error")]


def test_frames_come_while_somebody_listens(watched: Watched) -> None:
    async def three() -> list[Frame]:
        frames: list[Frame] = []
        async for event in ConsoleClient(watched.url, None).events(f"{FEED}/stream"):
            frames.append(decode_frame(event.data))
            if len(frames) == 3:
                break
        return frames

    first, second, third = run(three())
    assert first.at < second.at < third.at
    assert first.about == third.about


def test_a_gateway_that_starts_anew_is_waited_for_and_known(watched: Watched) -> None:
    async def notices() -> list[str]:
        console = await asyncio.to_thread(watched.console)
        client = ConsoleClient(console.url, None)
        gateway = WatchedGateway(client.url, frame_of(client.url, await client.json(FEED)), retry_after=0.02)
        reading = asyncio.create_task(gateway.run(client))
        try:
            found = [(await gateway.take()).notice]
            await asyncio.to_thread(console.close)
            found.append(await notice(gateway, lambda text: bool(text)))
            other = await asyncio.to_thread(watched.console, console.port)
            found.append(await notice(gateway, lambda text: not text.startswith("no news")))
            await asyncio.to_thread(other.close)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        return found

    before, meanwhile, afterwards = run(notices(), timeout=20)
    assert before == ""
    assert meanwhile.startswith("no news for 0:00: ")
    assert afterwards == "the gateway has started anew"


async def notice(gateway: WatchedGateway, wanted: Callable[[str], bool]) -> str:
    while not wanted(text := (await gateway.take()).notice):  # noqa: ASYNC110  # It changes with the clock, too.
        await asyncio.sleep(0.02)
    return text


def test_what_cannot_be_watched_is_refused_with_the_reason(watched: Watched) -> None:
    def reason(url: str, token: str | None = None) -> str:
        with pytest.raises((Gone, Refused)) as refused:
            run(ConsoleClient(url, token).json(FEED))
        return str(refused.value)

    assert "is not the console of a Flowspan gateway" in reason(watched.gateway.url)
    assert "is not the console of a Flowspan gateway" in reason(watched.gateway.metrics_url.removesuffix("/metrics"))
    assert "is no address of a console" in reason("ftp://127.0.0.1")
    with closing(watched.console(token=TOKEN)) as console:
        assert "asks for its token" in reason(console.url)
        assert "that is not the console's token" in reason(console.url, "another")
        assert run(ConsoleClient(console.url, TOKEN).json(FEED))
    assert "nothing listens at" in reason(console.url, TOKEN)


class Terminal:
    """`flowspan watch` on a terminal of 80 columns."""

    def __init__(self, *words: str) -> None:
        self.keyboard, screen = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.keyboard)
        environment = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "LC_ALL", "COLUMNS")}
        environment |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            [*COMMAND, "watch", *words], stdin=screen, stdout=screen, stderr=screen, env=environment
        )
        self.written = ""
        self._screen = screen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.keyboard)
        os.close(self._screen)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def until(self, text: str) -> None:
        """Read what is written until it has `text`, behind what was read before."""
        at, deadline = len(self.written), monotonic() + 20
        while text not in self.written[at:]:
            assert monotonic() < deadline, self.written[-2000:]
            if select.select([self.keyboard], [], [], 0.1)[0]:
                self.written += os.read(self.keyboard, 65536).decode(errors="replace")

    def end(self) -> int:
        status = self.process.wait(10)
        while select.select([self.keyboard], [], [], 0.1)[0]:
            self.written += os.read(self.keyboard, 65536).decode(errors="replace")
        return status


@pytest.mark.parametrize("by_key", [True, False])
def test_it_ends_by_a_key_or_a_signal_and_leaves_the_terminal_as_it_was(watched: Watched, by_key: bool) -> None:
    with closing(Terminal(watched.url)) as terminal:
        terminal.until("in all")
        assert termios.tcgetattr(terminal.keyboard) != terminal.before
        terminal.resize(60, 20)
        terminal.until("breakers  ")
        if by_key:
            os.write(terminal.keyboard, b"q")
        else:
            terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0
        assert termios.tcgetattr(terminal.keyboard) == terminal.before
    assert terminal.written.rindex("\x1b[?1049l") > terminal.written.rindex("\x1b[?1049h")
    assert terminal.written.rindex("\x1b[?25h") > terminal.written.rindex("\x1b[?25l")


def test_without_a_terminal_it_tells_a_line_a_second_and_ends_with_an_error_where_nothing_listens(
    watched: Watched,
) -> None:
    with subprocess.Popen([*COMMAND, "watch", watched.url], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first, second = running.stdout.readline(), running.stdout.readline()
        running.terminate()
        assert running.wait(10) == 0
    assert first == f"watching {watched.url}, Ctrl-C ends\n"
    assert "req/s" in second
    refused = subprocess.run([*COMMAND, "watch", "http://127.0.0.1:9"], capture_output=True, text=True, timeout=30)
    assert refused.returncode == 2
    assert refused.stderr.startswith("nothing listens at http://127.0.0.1:9. ")

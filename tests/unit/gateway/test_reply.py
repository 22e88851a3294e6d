"""What a reply sends in each of its states, to a client that reads and to one that does not."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message

from app.dialects import DIALECTS, StreamFormatter, streaming_dialects
from app.errors import ClientDisconnected, InternalError, InvalidRequest
from app.gateway.reply import Reply, ReplyState
from app.messages import Request
from app.settings import PipelineSettings, Seconds
from telemetry import HttpRequest, setup
from tests.support import run


class Client:
    """A client's connection: what was sent on it, by `send` and by `write`. `pause` makes every send wait."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.is_complete = False
        self.writable = True
        self.unsent = 0
        self.is_aborted = False
        self.is_lost = False
        self.reading = asyncio.Event()
        self.reading.set()
        self.waiting = asyncio.Event()
        self.asked = asyncio.Event()

    @property
    def is_writable(self) -> bool:
        self.asked.set()
        return self.writable

    async def was_asked(self) -> None:
        """Wait until it is asked, twice from now on, whether it is writable."""
        for _ in range(2):
            self.asked.clear()
            await self.asked.wait()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        if not self.reading.is_set():
            self.waiting.set()
            await self.reading.wait()
        self.body += message["body"]
        self.is_complete = not message["more_body"]

    def write(self, data: bytes) -> None:
        assert self.writable
        self.body += data

    def end(self, data: bytes) -> None:
        self.write(data)
        self.is_complete = True

    announced = 0

    def received(self) -> None:
        raise NotImplementedError

    async def receive(self) -> Message:
        raise NotImplementedError

    def pause(self) -> None:
        self.reading.clear()
        self.writable = False

    def when_lost(self, call: Callable[[], None]) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self.is_aborted = True


class Replying:
    """A reply to a client, in OpenAI's dialect."""

    def __init__(self, settings: PipelineSettings | None = None) -> None:
        self.client = Client()
        obs = setup().open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
        dialect = DIALECTS["openai_chat"]
        settings = settings or PipelineSettings(keepalive_interval=Seconds(0))
        self.reply = Reply(self.client.send, self.client, dialect, obs, settings)

    def streaming(self) -> StreamFormatter:
        request = Request(dialect="openai_chat", model="m", messages=(), stream=True)
        formatter = streaming_dialects()["openai_chat"].formatter(request, "t", 0)
        self.reply.stream_with(formatter)
        return formatter


def test_an_error_before_the_first_byte_is_a_status_with_a_body() -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        await it.reply.fail(InvalidRequest("no"))
        assert (it.client.status, it.client.is_complete, it.reply.state) == (400, True, ReplyState.COMPLETE)
        assert b'"message":"no"' in it.client.body

    run(main())


def test_an_error_after_it_is_the_streams_last_event() -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        assert it.reply.take([b"data: 1\n\n"])
        assert it.reply.state is ReplyState.READY
        await it.reply.fail(InternalError())
        assert (it.client.status, it.client.is_complete, it.reply.state) == (200, True, ReplyState.COMPLETE)
        assert it.client.body.startswith(b"data: 1\n\n")
        assert b'"error"' in it.client.body

    run(main())


def test_an_error_in_a_whole_answer_that_has_begun_aborts_the_connection() -> None:
    async def main() -> None:
        it = Replying()
        it.client.pause()
        sending = asyncio.ensure_future(it.reply.json_bytes(200, b"x" * 100_000))
        await it.client.waiting.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await it.reply.fail(InternalError())
        assert (it.client.is_aborted, it.client.is_complete, it.reply.state) == (True, False, ReplyState.ABORTED)

    run(main())


def test_a_send_that_a_lost_connection_dropped_is_no_success() -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        it.client.is_lost = True
        with pytest.raises(ClientDisconnected):
            await it.reply.send(b"data: 1\n\n")

    run(main())


@pytest.mark.parametrize("state", ["complete", "client gone"])
def test_nothing_is_sent_of_an_error_that_nobody_could_read(state: str) -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        it.reply.take([b"data: 1\n\n"])
        if state == "complete":
            await it.reply.end()
        else:
            it.reply.client_left()
        body = it.client.body
        await it.reply.fail(InternalError())
        assert (it.client.body, it.client.is_aborted) == (body, False)

    run(main())


def test_a_stream_that_goes_on_without_its_client_sends_nothing_and_has_no_clean_end() -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        it.reply.client_left()
        assert it.reply.take([b"data: 1\n\n"])
        await it.reply.send(b"data: 2\n\n")
        with pytest.raises(ClientDisconnected):
            await it.reply.end()
        with pytest.raises(ClientDisconnected):
            await it.reply.json_bytes(200, b"{}")
        assert (it.client.status, it.client.body, it.reply.status) == (0, b"", 0)

    run(main())


def test_a_client_that_leaves_amid_a_send_stays_gone() -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        it.client.pause()
        sending = asyncio.ensure_future(it.reply.send(b"data: 1\n\n"))
        await it.client.waiting.wait()
        states = [it.reply.state]
        it.reply.client_left()
        it.client.reading.set()
        await sending
        assert [*states, it.reply.state] == [ReplyState.SENDING, ReplyState.CLIENT_GONE]

    run(main())


def test_only_a_writable_connection_is_written_to_and_only_while_no_send_waits() -> None:
    async def main() -> None:
        it = Replying()
        it.streaming()
        it.client.pause()
        assert not it.reply.take([b"data: 1\n\n"])
        assert it.client.status == 0
        sending = asyncio.ensure_future(it.reply.send(b"data: 1\n\n"))
        await it.client.waiting.wait()
        it.client.writable = True
        assert not it.reply.take([b"data: 2\n\n"])
        it.client.reading.set()
        await sending
        assert it.reply.take([b"data: 2\n\n"])
        assert it.client.body == b"data: 1\n\ndata: 2\n\n"

    run(main())


def test_a_stream_is_delivered_once_its_last_event_is_written() -> None:
    async def main() -> None:
        it = Replying()
        formatter = it.streaming()
        it.reply.take([b"data: 1\n\n"])
        delivered = [it.reply.is_delivered]
        it.client.pause()
        sending = asyncio.ensure_future(it.reply.send(formatter.finish()))
        await it.client.waiting.wait()
        delivered.append(it.reply.is_delivered)
        it.client.reading.set()
        await sending
        assert [*delivered, it.reply.is_delivered] == [False, False, True]
        assert not it.client.is_complete

    run(main())


def test_comments_keep_a_silent_stream_alive_until_it_has_ended() -> None:
    async def main() -> None:
        it = Replying(PipelineSettings(keepalive_interval=Seconds(0.001)))
        formatter = it.streaming()
        await it.client.was_asked()
        assert it.client.status == 200
        assert it.client.body == formatter.keepalive() * it.client.body.count(formatter.keepalive()) != b""
        formatter.finish()
        body = it.client.body
        await it.client.was_asked()
        assert it.client.body == body
        it.reply.close()

    run(main())


def test_no_comment_is_sent_to_a_client_that_is_behind_with_reading() -> None:
    async def main() -> None:
        it = Replying(PipelineSettings(keepalive_interval=Seconds(0.001)))
        it.streaming()
        it.client.writable = False
        await it.client.was_asked()
        assert (it.client.status, it.client.body) == (0, b"")
        it.reply.close()

    run(main())

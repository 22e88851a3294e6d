import asyncio
import gzip
import json
import time
import zlib
from contextlib import aclosing
from typing import Any

import pytest

from app.errors import UpstreamFailed, UpstreamTruncated, UpstreamUnreachable
from app.stages import pieces_of
from tests.support import run
from tests.unit.backends.direct.rig import ANTHROPIC, OPENAI, backend_at, body_of, deltas, failure, read
from tests.unit.backends.fakes import FakeAttempt, ask, text_of
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    Rst,
    ScriptedUpstream,
    Sleep,
    Stall,
    Step,
    anthropic_events,
    anthropic_start,
    anthropic_text_events,
    openai_events,
    stream_of,
)

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
EVENTS = openai_events({"content": "Hel"}, {"content": "lo"}, usage=USAGE)
MESSAGE = anthropic_text_events("Hel", "lo")
BOTH = pytest.mark.parametrize(("model", "events"), [(OPENAI, EVENTS), (ANTHROPIC, MESSAGE)], ids=["openai", "ant"])


@BOTH
def test_a_stream_is_read_to_its_end_with_every_byte_behind_its_chunks(model: str, events: list[bytes]) -> None:
    async def main() -> None:
        async with ScriptedUpstream(stream_of(events)) as upstream, backend_at(upstream, model) as backend:
            chunks, error = await read(backend)
            assert error is None
            assert text_of(chunks) == "Hello"
            assert body_of(chunks) == b"".join(events)
            assert len(chunks) == len(events)
            assert [one.chunk.usage.completion_tokens for one in chunks if one.chunk.usage][-1] in (2, 4)

    run(main())


@BOTH
def test_a_connection_serves_one_request_after_the_other(model: str, events: list[bytes]) -> None:
    async def main() -> None:
        async with ScriptedUpstream(stream_of(events)) as upstream, backend_at(upstream, model) as backend:
            for _ in range(5):
                assert (await read(backend))[1] is None
            assert upstream.connections == 1

    run(main())


def test_deployments_at_one_place_share_their_connections_until_the_last_is_closed() -> None:
    async def main() -> None:
        async with ScriptedUpstream(stream_of(EVENTS)) as upstream, backend_at(upstream) as backend:
            async with backend_at(upstream, "openai/gpt-y") as other:
                assert (await read(backend))[1] is None
                assert (await read(other))[1] is None
            assert (await read(backend))[1] is None
            assert upstream.connections == 1

    run(main())


@BOTH
@pytest.mark.parametrize("ending", [End(), Fin(), Rst()], ids=["end", "fin", "rst"])
def test_a_stream_that_stops_early_is_truncated_however_it_stops(model: str, events: list[bytes], ending: Step) -> None:
    async def main() -> None:
        script = stream_of(events[:3], Sleep(0.02), ending)
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model) as backend:
            chunks, error = await read(backend)
            assert isinstance(error, UpstreamTruncated)
            assert body_of(chunks) == b"".join(events[:3])

    run(main())


@BOTH
@pytest.mark.parametrize("begun", [0, 3])
@pytest.mark.parametrize("ending", [Fin(), Stall()], ids=["fin", "stall"])
def test_a_body_whose_framing_breaks_is_truncated_at_once(
    model: str, events: list[bytes], begun: int, ending: Step
) -> None:
    """In a read of its own, behind the head: else there is no answer at all."""

    async def main() -> None:
        pieces = [Body(b"%x\r\n%b\r\n" % (len(event), event)) for event in events[:begun]]
        head = Head(headers={"transfer-encoding": "chunked"}, chunked=False)
        script = [head, *pieces, Sleep(0.05), Body(b"no number\r\n"), ending]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model) as backend:
            chunks, error = await asyncio.wait_for(read(backend), 5)
            assert isinstance(error, UpstreamTruncated)
            assert body_of(chunks) == b"".join(events[:begun])

    run(main())


def test_a_stream_without_done_is_truncated_though_it_finished() -> None:
    async def main() -> None:
        async with ScriptedUpstream(stream_of(EVENTS[:-1])) as upstream, backend_at(upstream) as backend:
            assert isinstance(await failure(backend), UpstreamTruncated)

    run(main())


def test_a_connection_that_breaks_after_the_last_word_changes_nothing() -> None:
    async def main() -> None:
        script = stream_of(EVENTS, Sleep(0.02), Rst())
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert error is None
            assert body_of(chunks) == b"".join(EVENTS)

    run(main())


def test_what_comes_after_the_last_word_is_handed_on_and_not_waited_for_long() -> None:
    async def main() -> None:
        script = [*stream_of(EVENTS, Sleep(0.02), Body(b": bye\n\ndata: {not json\n\n")), Stall()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            begun = time.monotonic()
            chunks, error = await read(backend)
            assert error is None
            assert body_of(chunks).endswith(b"data: {not json\n\n")
            assert time.monotonic() - begun < 2
            await asyncio.wait_for(upstream.requests[0].closed.wait(), 1)

    run(main())


@BOTH
def test_who_stops_reading_closes_the_connection_at_once(model: str, events: list[bytes]) -> None:
    async def main() -> None:
        script = [*stream_of(events[:2], Sleep(0)), Stall()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model) as backend:
            async with aclosing(backend.stream(ask(), FakeAttempt())) as chunks:
                await anext(pieces_of(chunks))
            await asyncio.wait_for(upstream.requests[0].closed.wait(), 1)

    run(main())


def test_a_caller_who_leaves_before_the_head_closes_the_connection_too() -> None:
    async def main() -> None:
        async with ScriptedUpstream([Stall()]) as upstream, backend_at(upstream) as backend:
            reading = asyncio.create_task(read(backend))
            request = await upstream.asked()
            reading.cancel()
            await asyncio.wait_for(request.closed.wait(), 1)

    run(main())


def test_comments_before_the_first_event_commit_to_nothing_and_later_ones_show_life() -> None:
    async def main() -> None:
        events = [b": wait\n\n", b": wait\n\n", EVENTS[0], b": wait\n\n", *EVENTS[1:]]
        async with ScriptedUpstream(stream_of(events)) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert error is None
            assert len(chunks) == len(EVENTS) + 1
            assert body_of(chunks) == b"".join(events)
            assert deltas(chunks[:1])[0].role == "assistant"

    run(main())


@pytest.mark.parametrize("odd", [b"retry: 3000\n\n", b"event: ping\n\n", b"id: 7\n\n", b"data:\n\n"])
def test_a_block_without_data_is_nothing_to_policies_and_goes_on_to_clients(odd: bytes) -> None:
    async def main() -> None:
        body = [b"\xef\xbb\xbf: hi\n\n", odd, EVENTS[0], odd, *EVENTS[1:-1], odd, EVENTS[-1]]
        async with ScriptedUpstream(stream_of(body)) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert error is None
            assert body_of(chunks) == b"".join(body)

    run(main())


@BOTH
@pytest.mark.parametrize("piece", [b"event: content_block_delta\n", b"event: content_blo", b"id: 7", b"data:", b"data"])
def test_an_event_that_stops_before_its_data_is_not_handed_on(model: str, events: list[bytes], piece: bytes) -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(stream_of([*events[:3], piece])) as upstream,
            backend_at(upstream, model) as backend,
        ):
            chunks, error = await read(backend)
            assert isinstance(error, UpstreamTruncated)
            assert body_of(chunks) == b"".join(events[:3])

    run(main())


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (b'data: {"error":{"message":"no sk-abcdefghijklmnop","type":"server_error","code":null}}\n\n', 500),
        (b'event: error\ndata: {"error":{"message":"no","code":"x","status_code":429}}\n\n', 429),
        (b'data: {"object":"error","message":"no","type":"BadRequestError","code":400}\n\n', 400),
        (b'data: {"id":"x","error":{"code":502,"message":"no"},"choices":[{"index":0,"delta":{}}]}\n\n', 502),
        (b'data: {"error":"no"}\n\n', None),
    ],
)
def test_an_error_in_openais_stream_keeps_its_meaning(event: bytes, status: int | None) -> None:
    async def main() -> None:
        script = stream_of([*EVENTS[:2], event, b"data: [DONE]\n\n"])
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert len(chunks) == 2
            assert isinstance(error, UpstreamFailed)
            assert error.upstream_status == status
            assert error.outcome == ("client_error" if status == 400 else "upstream_error")
            assert "no" in error.message
            assert "sk-abc" not in error.message + str(error.detail)

    run(main())


def test_an_error_in_anthropics_stream_keeps_its_meaning() -> None:
    async def main() -> None:
        failed = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        script = stream_of(anthropic_events(anthropic_start(), failed))
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, ANTHROPIC) as backend:
            error = await failure(backend)
            assert isinstance(error, UpstreamFailed)
            assert (error.upstream_status, error.status, error.retryable) == (529, 529, True)
            assert error.message.startswith("Overloaded")

    run(main())


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<html>Bad gateway</html>", "text/html"),
        (b"<html>\n\nBad gateway\n\n</html>", "text/event-stream"),
        (b'{"error": {"message": "Bad gateway"}}', "application/json"),
        (b'{"error": {"message": "Bad gateway"}}', "text/event-stream"),
        (b"Bad gateway", "text/plain"),
        (b"data: Bad gateway\n\n", "text/event-stream"),
        (b'data: ["Bad gateway"]\n\n', "text/event-stream"),
        (b'data: {"choices": "Bad gateway"}\n\n', "text/event-stream"),
    ],
)
def test_what_is_no_stream_is_named_and_not_read_on(data: bytes, content_type: str) -> None:
    async def main() -> None:
        script: list[Step] = [Head(content_type=content_type), Body(data), End()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            error = await failure(backend)
            assert isinstance(error, UpstreamFailed)
            # A page is shown only where it calls itself one.
            assert ("Bad gateway" in str(error.detail)) is (content_type == "text/html")
            assert error.detail
            assert error.outcome == "upstream_error"

    run(main())


_ENDING = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}


def _openai(**fields: Any) -> bytes:
    return b"data: " + json.dumps({"id": "x", "choices": [_ENDING], **fields}).encode()


def _call(**fields: Any) -> list[Any]:
    return [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}, **fields}]}}]


def _anthropic(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'index': 0, **fields})}".encode()


@pytest.mark.parametrize(
    ("model", "event"),
    [
        (OPENAI, _openai(type=[])),
        (OPENAI, _openai(choices=[{"index": "first", "delta": {"content": "a"}}])),
        (OPENAI, _openai(choices=[{"index": 0, "delta": "a"}])),
        (OPENAI, _openai(choices=["a"])),
        (OPENAI, _openai(choices=[{"index": 0, "delta": {"refusal": 5}}])),
        (OPENAI, _openai(choices=[{"index": 0, "delta": {"content": 5}}])),
        (OPENAI, _openai(choices=_call(function={"name": ["f"]}))),
        (ANTHROPIC, _anthropic("content_block_delta", delta={"type": "thinking_delta", "thinking": 5})),
        (ANTHROPIC, _anthropic("content_block_delta", delta={"type": "signature_delta", "signature": 5})),
    ],
)
def test_a_field_of_a_wrong_type_is_the_providers_fault(model: str, event: bytes) -> None:
    async def main() -> None:
        begun = EVENTS[:2] if model == OPENAI else MESSAGE[:2]
        script = stream_of([*begun, event + b"\n\n"])
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model) as backend:
            error = await failure(backend)
            assert isinstance(error, UpstreamFailed)
            assert "unknown form" in error.message

    run(main())


def test_numbers_in_floating_point_are_numbers() -> None:
    async def main() -> None:
        usage = {"prompt_tokens": 3.0, "completion_tokens": 4.0, "total_tokens": 7.0}
        script = stream_of([_openai(created=1.7e9, usage=usage) + b"\n\n", b"data: [DONE]\n\n"])
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert error is None
            chunk = chunks[0].chunk
            assert chunk.created == 1_700_000_000
            assert chunk.usage is not None
            assert chunk.usage.completion_tokens == 4

    run(main())


def test_an_id_that_is_a_number_is_a_text_from_then_on() -> None:
    async def main() -> None:
        script = stream_of([_openai(id=5) + b"\n\n", b"data: [DONE]\n\n"])
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert (error, {one.chunk.id for one in chunks}) == (None, {"5"})

    run(main())


def test_an_answer_that_finishes_with_an_error_is_none() -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(stream_of(openai_events({"content": "Hel"}, finish="error"))) as upstream,
            backend_at(upstream) as backend,
        ):
            chunks, error = await read(backend)
            assert text_of(chunks) == "Hel"
            assert isinstance(error, UpstreamFailed)

    run(main())


@pytest.mark.parametrize("cut", [False, True])
def test_a_reason_in_a_word_of_another_api_is_replaced_where_it_stands(cut: bool) -> None:
    beside = '{"stop_reason": "customer left", "finish_reason": "SAFETY"}'
    choice = '{"index": 0, "delta": {"content": "a", "input": %s}, "finish_reason": "%s"}'
    event = '{"id": "x", "choices":\n[%s]}'

    def bytes_of(reason: str) -> bytes:
        data = event % (choice % (beside, reason))
        return b"id: 7\ndata: %b\n\n" % data.replace("\n", "\ndata: " if cut else " ").encode()

    script = stream_of([bytes_of("MAX_TOKENS"), b"data: [DONE]\n\n"])

    async def main() -> None:
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            (first, _), error = await read(backend)
            assert error is None
            assert first.native is not None
            assert first.native.event == json.loads(event % (choice % (beside, "length")))
            assert first.native.raw.startswith(b"data: {") if cut else first.native.raw == bytes_of("length")
            assert all(line.startswith((b"data: ", b"id: ")) for line in first.native.raw.split(b"\n") if line)

    run(main())


def test_a_stream_of_a_last_word_alone_is_empty() -> None:
    async def main() -> None:
        script = stream_of([b": wait\n\n", b"data: [DONE]\n\n"])
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert not chunks
            assert isinstance(error, UpstreamTruncated)

    run(main())


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
def test_an_empty_body_is_an_error(content_type: str) -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream([Head(content_type=content_type), End()]) as upstream,
            backend_at(upstream) as backend,
        ):
            assert "empty" in str((await failure(backend)).detail)

    run(main())


def test_a_giant_event_ends_the_stream_and_its_connection() -> None:
    async def main() -> None:
        script: list[Step] = [Head(), Body(EVENTS[0]), Body(b"data: "), *[Body(b"x" * 2**20)] * 8, Stall()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            error = await failure(backend)
            assert isinstance(error, UpstreamFailed)
            assert "4194304 bytes" in error.message
            await asyncio.wait_for(upstream.requests[0].closed.wait(), 1)

    run(main())


def test_a_stream_that_comes_compressed_unasked_is_unpacked_as_it_comes() -> None:
    async def main() -> None:
        packer = zlib.compressobj(wbits=31)
        pieces = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in EVENTS]
        script: list[Step] = [Head(headers={"content-encoding": "gzip"}), *map(Body, [*pieces, packer.flush()]), End()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert error is None
            assert body_of(chunks) == b"".join(EVENTS)
            assert upstream.requests[0].headers["accept-encoding"] == "identity"

    run(main())


def test_a_stream_that_unpacks_to_a_giant_is_not_unpacked_to_its_end() -> None:
    async def main() -> None:
        packed = gzip.compress(b"data: " + bytes(64 * 2**20))
        script: list[Step] = [Head(headers={"content-encoding": "gzip"}), Body(packed), Stall()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            assert "4194304 bytes" in (await failure(backend)).message
            await asyncio.wait_for(upstream.requests[0].closed.wait(), 1)

    run(main())


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_and_is_not_understood_is_named(encoding: str) -> None:
    async def main() -> None:
        script: list[Step] = [Head(headers={"content-encoding": encoding}), Body(b"\x1f\x8b"), End()]
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            error = await failure(backend)
            assert "not asked for" in error.message
            assert encoding in str(error.detail)

    run(main())


def test_half_of_an_emoji_does_not_break_a_stream() -> None:
    async def main() -> None:
        half = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n'
        async with ScriptedUpstream(stream_of([half, *EVENTS])) as upstream, backend_at(upstream) as backend:
            chunks, error = await read(backend)
            assert error is None
            assert body_of(chunks).startswith(b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
            assert text_of(chunks).startswith("a\ufffd")

    run(main())


def test_a_provider_that_says_nothing_is_let_go_when_its_caller_has_waited_enough() -> None:
    async def main() -> None:
        async with ScriptedUpstream([Stall()]) as upstream, backend_at(upstream) as backend:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(failure(backend), 0.05)
            await asyncio.wait_for(upstream.requests[0].closed.wait(), 1)

    run(main())


def test_a_provider_that_is_not_there_is_unreachable() -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream([]) as upstream,
            backend_at(upstream, api_base="http://127.0.0.1:1/v1") as backend,
        ):
            assert isinstance(await failure(backend), UpstreamUnreachable)

    run(main())


def test_a_provider_that_hangs_up_before_a_byte_is_unreachable() -> None:
    async def main() -> None:
        async with ScriptedUpstream([Fin()]) as upstream, backend_at(upstream) as backend:
            assert isinstance(await failure(backend), UpstreamUnreachable)

    run(main())

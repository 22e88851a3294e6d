"""Recorded streams to a client of the dialect that they came in."""

import dataclasses
from collections.abc import Iterable

from msgspec.structs import replace

from app.dialects import streaming_dialects
from app.errors import UpstreamFailed
from app.messages import Choice, ModelResponse, Received
from app.policies.base import Policy
from app.policies.context import StreamContext
from tests.behaviour.policies import Looks
from tests.streams.by_source import each_of
from tests.streams.legal import check
from tests.streams.recordings import (
    FAILED,
    RECORDINGS,
    REGULAR,
    WHOLE,
    Recording,
    Summary,
    needs_recordings,
    summary_of,
)
from tests.streams.sdks import final_message
from tests.unit.dialects.samples import request
from tests.unit.pipeline.rig import execute

pytestmark = needs_recordings
_regular = each_of(REGULAR)
_each = each_of(WHOLE)


_MORE = "One more thing."


class EmitsWhatCame(Looks):
    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        await ctx.emit(chunk)


class Masks(Policy):
    """Makes a changed copy of a chunk, as an author would who knows nothing of the provider's own bytes."""

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        await ctx.emit(replace(chunk, choices=tuple(_masked(choice) for choice in chunk.choices)))


def _masked(choice: Choice) -> Choice:
    if choice.delta is None or not choice.delta.content:
        return choice
    return replace(choice, delta=replace(choice.delta, content="*"))


class Capitals(Policy):
    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(text.upper())


class AddsText(Policy):
    async def on_stream_complete(self, ctx: StreamContext) -> None:
        await ctx.emit_text(_MORE)


def _body(recording: Recording, chunks: Iterable[Received], include_usage: bool = True) -> bytes:
    asked = request(recording.dialect, include_usage=include_usage, n=8)
    formatter = streaming_dialects()[recording.dialect].formatter(asked, "txn", 7)
    return b"".join([formatter.format(chunk) for chunk in chunks]) + formatter.finish()


def _through(policy: Policy, recording: Recording) -> bytes:
    outcome = execute([policy], recording.chunks)
    assert outcome.error is None
    return _body(recording, outcome.received)


def test_the_recordings_are_there() -> None:
    assert len(RECORDINGS) >= len(WHOLE) > 0


@_each
def test_an_untouched_stream_is_byte_for_byte_the_providers(recording: Recording) -> None:
    assert _body(recording, recording.chunks) == recording.body


@_each
def test_usage_that_nobody_asked_for_is_all_that_is_kept_back(recording: Recording) -> None:
    body = _body(recording, recording.chunks, include_usage=False)
    assert body == (recording.body if recording.dialect == "anthropic_messages" else recording.without_usage)
    if body == recording.body:
        return
    ours, theirs = final_message(recording.dialect, body), final_message(recording.dialect, recording.body)
    # Some providers name their fingerprint in that event only.
    beside = {"usage": None, "system_fingerprint": None}
    assert {**ours, **beside} == {**theirs, **beside}


@_each
def test_a_policy_that_emits_what_came_leaves_no_trace(recording: Recording) -> None:
    assert _through(EmitsWhatCame(), recording) == recording.body


@_regular
def test_a_changed_copy_does_not_bring_the_providers_own_bytes_along(recording: Recording) -> None:
    assert set(_summary(recording, _through(Masks(), recording)).text) <= {"*"}


@_regular
def test_only_the_text_changes_when_a_policy_changes_the_text(recording: Recording) -> None:
    theirs = summary_of(recording.dialect, recording.body)
    assert _summary(recording, _through(Capitals(), recording)) == dataclasses.replace(theirs, text=theirs.text.upper())


@_regular
def test_a_policys_last_words_come_before_the_end(recording: Recording) -> None:
    theirs = summary_of(recording.dialect, recording.body)
    assert _summary(recording, _through(AddsText(), recording)) == dataclasses.replace(theirs, text=theirs.text + _MORE)


@each_of(FAILED)
def test_a_stream_that_failed_is_the_providers_up_to_the_error(recording: Recording) -> None:
    formatter = streaming_dialects()[recording.dialect].formatter(
        request(recording.dialect, include_usage=True), "txn", 7
    )
    sent = b"".join([formatter.format(chunk) for chunk in recording.chunks])
    assert recording.body.startswith(sent)
    last = formatter.fail(UpstreamFailed("It failed.")).rstrip().rpartition(b"\n")[2]
    assert b'"message":"It failed."' in last
    assert formatter.finish() == b""


def _summary(recording: Recording, body: bytes) -> Summary:
    # What a provider sent itself, untouched, is not ours to judge (Writer sends no [DONE]).
    if body != recording.body:
        check(recording.dialect, body)
    return summary_of(recording.dialect, body)

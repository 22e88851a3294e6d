"""Every recorded stream of the three dialects, read as the direct backends read it."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
from anthropic._models import construct_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from openai._models import construct_type as construct
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response

from app.backends.direct.stream_events import Events
from app.errors import BackendError, UpstreamFailed, UpstreamTruncated
from app.messages import Dialect, Message, Received
from app.pipeline.policies.blocks import BlockAssembler, ContentComplete, Finished, ThinkingComplete, ToolCallComplete
from tests.streams.by_source import each_of
from tests.streams.index import Recording, of, recordings
from tests.streams.recordings import summary_of
from tests.unit.dialects.decoding import DECODERS

ALL = of("chat", "messages", "completions", "responses")
CHAT = recordings("chat")
MESSAGES = recordings("messages")
RESPONSES = recordings("responses")
DIALECTS: dict[str, Dialect] = {
    "chat": "openai_chat",
    "messages": "anthropic_messages",
    "responses": "openai_responses",
    "completions": "openai_completions",
}

CUTS = 20
"""At most so many positions of one recording."""
WITHOUT_LAST_WORD = {
    # Its recorder kept OpenAI's chunks and lost `[DONE]`: nothing tells it from a stream that was cut off there.
    "openai/vercel+ai-001.sse",
}
_SEVERAL = "several streams in one body, or one changed by hand to begin twice"
_UNNUMBERED = "contents as lists, or calls without an index or not from 0, which the SDK cannot add up"
_UNTYPED = "the type of a call is null from its second delta on, on which the SDK gives up"
SEVERAL_MESSAGES = {
    **{f"anthropic/vercel+ai-{number:03}.sse": _SEVERAL for number in (18, 21, 22, 23, 24, 28, 29)},
    "cerebras/vercel+ai-001.sse": _SEVERAL,
}
NOT_FOR_THE_SDK = {
    "mistral/vercel+ai-002.sse": _UNNUMBERED,
    "mistral/vercel+ai-004.sse": _UNNUMBERED,
    "openai-compatible/vercel+ai-001.sse": _UNNUMBERED,
    "writer/traceloop+openllmetry-003.sse": _UNTYPED,
    "writer/traceloop+openllmetry-004.sse": _UNTYPED,
}
SHORTENED = {
    # Most of the pieces of a text were taken out by hand.
    "openai/vercel+ai-019.sse",
    "openai/vercel+ai-022.sse",
}
TERMINAL = re.compile(rb'"type":\s*"response\.(?:completed|incomplete|failed)"')
UNNUMBERED = frozenset({"reasoning_details", "annotations", "executed_tools"})
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read(pieces: Sequence[bytes], api: str) -> tuple[list[Received], BackendError | None]:
    events = Events(DECODERS[DIALECTS[api]](), str, 1 << 22)
    chunks: list[Received] = []
    try:
        for piece in pieces:
            chunks += apart(events.feed(piece))
            events.check()
        chunks += apart(events.finish())
        events.check()
        events.check_end()
    except BackendError as error:
        return chunks, error
    return chunks, None


def apart(received: Sequence[Received]) -> list[Received]:
    return [part for one in received for part in one.apart()]


def content_of(received: Sequence[Received]) -> dict[str, Any]:
    """What the chunks of a stream say, by choice, with its usage."""
    chunks = [one.chunk for one in received]
    blocks = BlockAssembler()
    events = [event for chunk in chunks for event in blocks.feed(chunk)] + blocks.finish()
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
    deltas = [choice.delta or Message() for chunk in chunks for choice in chunk.choices]
    return {
        "text": joined((event.choice, event.text) for event in events if isinstance(event, ContentComplete)),
        "thinking": joined((event.choice, event.thinking) for event in events if isinstance(event, ThinkingComplete)),
        "refusal": "".join(delta.refusal or "" for delta in deltas),
        "signatures": [block.signature for delta in deltas for block in delta.thinking_blocks if block.signature],
        "redacted": [block.data for delta in deltas for block in delta.thinking_blocks if block.data],
        "calls": [
            (event.call.id, event.call.function.name, event.call.function.arguments)
            for event in events
            if isinstance(event, ToolCallComplete)
        ],
        "finish": {event.choice: event.reason for event in events if isinstance(event, Finished)},
        "usage": usage,
    }


def joined(texts: Iterable[tuple[int, str]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for choice, text in texts:
        found[choice] = found.get(choice, "") + text
    return {choice: text for choice, text in found.items() if text}


@each_of(ALL)
def test_a_recording_is_read_to_its_end_and_nothing_of_it_is_lost(recording: Recording) -> None:
    chunks, error = read([recording.body], recording.api)
    if recording.row["error"]:
        assert isinstance(error, UpstreamFailed)
        assert chunks
        return
    assert b"".join(chunk.native.raw for chunk in chunks if chunk.native) == recording.body
    assert [chunk.native.sequence for chunk in chunks if chunk.native] == list(range(len(chunks)))
    if recording.name in WITHOUT_LAST_WORD:
        assert isinstance(error, UpstreamTruncated)
    else:
        assert error is None


@pytest.mark.parametrize("recording", CHAT)
def test_a_chat_says_what_openais_sdk_adds_up(recording: Recording) -> None:
    if recording.row["error"]:
        pytest.skip("it ends with the provider's error, on which the SDK gives up")
    if why := (SEVERAL_MESSAGES | NOT_FOR_THE_SDK).get(recording.name):
        pytest.skip(why)
    chunks, _ = read([recording.body], "chat")
    found = content_of(chunks)
    state = ChatCompletionStreamState()
    for event in recording.events:
        state.handle_chunk(for_the_sdk(event))
    whole = state.current_completion_snapshot
    assert found["text"] == {one.index: one.message.content for one in whole.choices if one.message.content}
    assert found["finish"] == {one.index: one.finish_reason for one in whole.choices if one.finish_reason}
    assert found["refusal"] == "".join(one.message.refusal or "" for one in whole.choices)
    assert found["calls"] == [
        (call.id, call.function.name, call.function.arguments or "")
        for one in whole.choices
        for call in one.message.tool_calls or []
    ]
    if whole.usage is not None:
        usage = found["usage"]
        # The total has the reasoning that xAI counts beside the completion.
        completion = max(whole.usage.completion_tokens, whole.usage.total_tokens - whole.usage.prompt_tokens)
        assert (usage.prompt_tokens, usage.completion_tokens) == (whole.usage.prompt_tokens, completion)


def for_the_sdk(event: dict[str, Any]) -> ChatCompletionChunk:
    """Without lists that have no index of their own, on which the SDK gives up."""
    choices = [
        {**choice, "delta": {name: value for name, value in choice["delta"].items() if name not in UNNUMBERED}}
        for choice in event["choices"]
    ]
    return cast(ChatCompletionChunk, construct(type_=ChatCompletionChunk, value={**event, "choices": choices}))


@pytest.mark.parametrize("recording", MESSAGES)
def test_a_message_says_what_anthropics_sdk_adds_up(recording: Recording) -> None:
    if why := SEVERAL_MESSAGES.get(recording.name):
        pytest.skip(why)
    chunks, _ = read([recording.body], "messages")
    found = content_of(chunks)
    whole = added_up(recording)
    blocks = [block.to_dict() for block in whole.content]
    assert found["text"].get(0, "") == "".join(each(blocks, "text", "text"))
    assert found["thinking"].get(0, "") == "".join(each(blocks, "thinking", "thinking"))
    assert found["signatures"] == [one for one in each(blocks, "thinking", "signature") if one]
    assert found["redacted"] == each(blocks, "redacted_thinking", "data")
    calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    assert [(id, name, json.loads(text or "{}")) for id, name, text in found["calls"]] == calls
    cached = (whole.usage.cache_read_input_tokens or 0) + (whole.usage.cache_creation_input_tokens or 0)
    assert (found["usage"].prompt_tokens, found["usage"].completion_tokens) == (
        whole.usage.input_tokens + cached,
        whole.usage.output_tokens,
    )
    assert list(found["finish"].values()) == [FINISH.get(whole.stop_reason, whole.stop_reason)]


@pytest.mark.parametrize("recording", RESPONSES)
def test_a_response_says_in_pieces_what_it_says_in_the_end(recording: Recording) -> None:
    if recording.row["error"] or recording.name in SHORTENED:
        pytest.skip("its pieces are not all there")
    chunks, _ = read([recording.body], "responses")
    found = content_of(chunks)
    end = next(event for event in recording.events if event["type"] == "response.completed")
    whole = cast(Response, construct(type_=Response, value=end["response"]))
    assert found["text"].get(0, "") == whole.output_text
    calls = summary_of("openai_responses", recording.body).calls
    assert found["calls"] == [(call["id"], call["name"], call["arguments"]) for call in calls]
    assert found["finish"] == {0: "tool_calls" if found["calls"] else "stop"}
    assert whole.usage is not None
    counts = (found["usage"].prompt_tokens, found["usage"].completion_tokens)
    assert counts == (whole.usage.input_tokens, whole.usage.output_tokens)


def added_up(recording: Recording) -> Any:
    whole: Any = None
    arguments: dict[int, bytes] = {}
    for event in recording.events:
        if event["type"] != "ping":
            typed = construct_type(type_=RawMessageStreamEvent, value=event)
            whole = accumulate_event(event=cast(Any, typed), current_snapshot=whole, json_bufs=arguments)
    return whole


def each(blocks: list[dict[str, Any]], kind: str, field: str) -> list[Any]:
    return [block[field] for block in blocks if block["type"] == kind]


@each_of(ALL)
def test_a_recording_cut_off_after_any_event_never_ends_well(recording: Recording) -> None:
    body = recording.body
    ends = [match.end() for match in re.finditer(rb"\n\n", body)]
    last_word = begin_of_last_word(recording)
    if last_word < 0:
        last_word = body.rstrip().rfind(b"\n\n")
    positions = [0, *(end for end in ends if end <= last_word)]
    for position in positions[:: max(1, len(positions) // CUTS)] + positions[-3:]:
        chunks, error = read([body[:position]], recording.api)
        assert isinstance(error, UpstreamTruncated | UpstreamFailed), position
        assert body[:position].startswith(b"".join(chunk.native.raw for chunk in chunks if chunk.native))


def begin_of_last_word(recording: Recording) -> int:
    body = recording.body
    if recording.api in ("chat", "completions"):
        return body.rfind(b"data: [DONE]")
    if recording.api == "messages":
        return body.find(b"event: message_stop")
    found = TERMINAL.search(body)
    assert found is not None
    return body.rfind(b"\n\n", 0, found.start()) + 2


@each_of(ALL)
def test_a_recording_says_the_same_in_small_pieces_and_with_other_line_ends(recording: Recording) -> None:
    body = recording.body
    whole, error = read([body], recording.api)
    size = max(7, len(body) // 1000)
    for other, step in ((body, size), (body.replace(b"\n", b"\r\n"), size - 2)):
        chunks, other_error = read([other[at : at + step] for at in range(0, len(other), step)], recording.api)
        assert type(other_error) is type(error)
        assert [one.chunk for one in chunks] == [one.chunk for one in whole]
        assert other.startswith(b"".join(chunk.native.raw for chunk in chunks if chunk.native))


SAMPLE = [
    *[one for one in of("chat", "messages", "completions") if 900 < one.row["bytes"] < 2500][::6],
    *[one for one in of("responses") if one.row["bytes"] < 6000][::9],
]


@pytest.mark.parametrize("recording", SAMPLE, ids=lambda recording: recording.name)
def test_a_recording_says_the_same_split_at_any_byte(recording: Recording) -> None:
    body = recording.body
    whole = read([body], recording.api)[0]
    for at in range(1, len(body)):
        assert read([body[:at], body[at:]], recording.api)[0] == whole

import json
from typing import Any, Literal

from app.errors import UpstreamTruncated
from app.messages import ModelResponse, Received
from tests.unit.dialects.legality import check_anthropic, events
from tests.unit.dialects.native_streams import Event, NativeStream, changed, inserted

_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
_USAGE = {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1, "service_tier": "priority"}


def _block(at: int, start: Event, *deltas: Event) -> list[Event]:
    return [
        {"type": "content_block_start", "index": at, "content_block": start},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": at},
    ]


def _text(at: int, *pieces: str) -> list[Event]:
    return _block(at, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def _call(at: int, *pieces: str) -> list[Event]:
    start = {"type": "tool_use", "id": f"toolu_{at}", "name": "read", "input": {}, "caller": {"type": "direct"}}
    return _block(at, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def _search(at: int) -> list[Event]:
    call = _block(at, {"type": "server_tool_use", "id": f"srv_{at}", "name": "web_search", "input": {}})
    return [*call, *_block(at + 1, {"type": "web_search_tool_result", "tool_use_id": f"srv_{at}", "content": []})]


def _stream(*blocks: list[Event], reason: str = "end_turn") -> NativeStream:
    start = {"type": "message_start", "message": {**_MESSAGE, "usage": _USAGE}}
    ended = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, "stop_details": None}}
    ending: list[Event] = [{**ended, "usage": {"output_tokens": 9, "tier": 1}}, {"type": "message_stop", "metrics": 1}]
    return NativeStream("anthropic_messages", [start, *(event for block in blocks for event in block), *ending])


def _without(stream: NativeStream, what: Literal["content", "tool_calls"]) -> list[Received]:
    return [one for one in stream.chunks if not any(getattr(choice.delta, what) for choice in one.chunk.choices)]


def _sent(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events(body)]


def test_a_block_of_which_all_deltas_were_dropped_leaves_nothing_behind() -> None:
    stream = _stream(_text(0, "a", "b"), _call(1, "{}"), reason="tool_use")
    checked = check_anthropic(stream.render(_without(stream, "content")), native=True)
    assert [block["type"] for block in checked.blocks] == ["tool_use"]


def test_an_empty_block_of_the_providers_own_stays() -> None:
    stream = _stream(_text(0))
    assert stream.render(stream.chunks) == stream.body
    more = [*stream.chunks, inserted("text", stream.chunks[0], 1)]
    assert [block["text"] for block in check_anthropic(stream.render(more), native=True).blocks] == ["", "<1>"]


def test_changed_text_stands_in_the_block_of_the_provider() -> None:
    stream = _stream(_text(0, "a", "b", "c"), _search(1), _text(3, "d"))
    stream.chunks[4] = changed(stream.chunks[4])
    body = stream.render(stream.chunks)
    checked = check_anthropic(body, native=True)
    assert [block["type"] for block in checked.blocks] == ["text", "server_tool_use", "web_search_tool_result", "text"]
    assert checked.text() == "aBcd"
    untouched = {event["x_event"] for event in _sent(body) if "x_event" in event}
    assert untouched == set(range(len(stream.events))) - {4}


def test_what_a_policy_puts_in_waits_until_the_open_block_has_stopped() -> None:
    stream = _stream(_text(0, "a", "b"), _search(1))
    like = stream.chunks[0]
    chunks = [*stream.chunks[:4], inserted("call", like, 1), *stream.chunks[4:7], inserted("text", like, 2)]
    checked = check_anthropic(stream.render([*chunks, *stream.chunks[7:]]), native=True)
    kinds = [block["type"] for block in checked.blocks]
    assert kinds == ["text", "tool_use", "server_tool_use", "text", "web_search_tool_result"]
    assert checked.text() == "ab<2>"
    assert checked.stop_reason == "tool_use"


def test_the_end_is_held_until_what_a_policy_says_last() -> None:
    stream = _stream(_text(0, "a"), reason="pause_turn")
    body = stream.render([*stream.chunks, inserted("text", stream.chunks[0], 1)])
    assert check_anthropic(body, native=True).text() == "a<1>"
    *_, delta, stop = _sent(body)
    assert delta["delta"] == {"stop_reason": "pause_turn", "stop_sequence": None, "stop_details": None}
    assert (delta["usage"], stop["metrics"]) == ({"output_tokens": 9, "tier": 1}, 1)


def test_a_message_without_its_calls_does_not_ask_for_them_to_be_run() -> None:
    stream = _stream(_text(0, "a"), _call(1, "{}"), reason="tool_use")
    assert check_anthropic(stream.render(_without(stream, "tool_calls")), native=True).stop_reason == "end_turn"


def test_arguments_that_come_after_their_block_had_stopped_are_not_lost() -> None:
    stream = _stream(_call(0, '{"a"', ": 1}"), _text(1, "x"), reason="tool_use")
    late = [*stream.chunks[:3], *stream.chunks[5:-2], *(changed(chunk) for chunk in stream.chunks[3:5])]
    checked = check_anthropic(stream.render([*late, *stream.chunks[-2:]]), native=True)
    assert [call["json"] for call in checked.calls()] == ['{"a": 1}']
    assert checked.text() == "x"


def test_the_first_event_shows_the_usage_that_comes_apart_from_the_role() -> None:
    stream = _stream(_text(0, "a"))
    first = stream.chunks[0]
    chunk = changed(first).chunk
    parts = [
        Received(ModelResponse(id=chunk.id, model=chunk.model, choices=chunk.choices)),
        Received(ModelResponse(usage=chunk.usage)),
    ]
    checked = check_anthropic(stream.render([*parts, *stream.chunks[1:]]), native=True)
    assert checked.message is not None
    assert checked.message["id"] == "msg_1"
    assert checked.message["usage"]["cache_read_input_tokens"] == 2


def test_an_error_ends_the_stream_at_any_event() -> None:
    stream = _stream(_text(0, "a"), _call(1, "{}"), reason="tool_use")
    for at in range(len(stream.chunks)):
        formatter = stream.formatter()
        body = b"".join(formatter.format(chunk) for chunk in stream.chunks[:at])
        assert check_anthropic(body + formatter.fail(UpstreamTruncated("It broke off.")), native=True).error is not None


def test_what_a_provider_says_after_its_end_goes_only_where_nothing_was_changed() -> None:
    stream = _stream(_text(0, "a"))
    again = NativeStream("anthropic_messages", [*stream.events, *stream.events])
    assert again.render(again.chunks) == again.body
    checked = check_anthropic(again.render([inserted("text", again.chunks[0], 1), *again.chunks]), native=True)
    assert checked.text() == "<1>a"

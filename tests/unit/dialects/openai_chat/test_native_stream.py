import json
from typing import Any

from app.errors import UpstreamTruncated
from app.messages import Received
from tests.unit.dialects.decoding import decoded
from tests.unit.dialects.legality import check_openai, events
from tests.unit.dialects.native_streams import NativeStream, changed, inserted

_BASE = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "gpt"}


def _choice(delta: dict[str, Any], finish: str | None = None, index: int = 0, **beside: Any) -> dict[str, Any]:
    return {**_BASE, "choices": [{"index": index, "delta": delta, "finish_reason": finish, **beside}], "usage": None}


def _call(at: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    begun: dict[str, Any] = {"id": f"c{at}", "type": "function"} if name else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": at, **begun, "function": function, "extra_content": {"signature": at}}]}


def _stream(*choices: dict[str, Any], finish: str = "stop") -> NativeStream:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "cost": 1}
    first, last = _choice({"role": "assistant", "content": ""}), _choice({}, finish, filter_results={"hate": False})
    return NativeStream(
        "openai_chat", [first, *choices, last, {**_BASE, "choices": [], "usage": usage}, "[DONE]"], True
    )


def _sent(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events(body) if event.data != "[DONE]"]


def test_the_end_is_held_until_what_a_policy_says_last() -> None:
    stream = _stream(_choice({"content": "a"}))
    body = stream.render([*stream.chunks, inserted("text", stream.chunks[0], 1)])
    checked = check_openai(body, include_usage=True, native=True)
    assert checked.choices[0].content == "a<1>"
    assert body.startswith(b"".join(chunk.native.raw for chunk in stream.chunks[:2] if chunk.native is not None))
    assert _sent(body)[-2]["choices"][0]["filter_results"] == {"hate": False}
    assert checked.usage is not None
    assert checked.usage["cost"] == 1


def test_calls_are_renumbered_with_all_that_the_provider_said_of_them() -> None:
    stream = _stream(
        _choice(_call(0, "{}", "read")),
        _choice(_call(1, "{", "write")),
        _choice(_call(1, "}")),
        finish="tool_calls",
    )
    without_the_first = [*stream.chunks[:1], *stream.chunks[2:]]
    body = stream.render(without_the_first)
    calls = check_openai(body.replace(b"extra_content", b"x_content"), True, native=True).choices[0].calls
    assert calls == [{"id": "c1", "name": "write", "arguments": "{}"}]
    sent = [call for one in _sent(body) for choice in one["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert [call["extra_content"]["signature"] for call in sent] == [1, 1]


def test_a_call_that_began_before_the_edit_goes_on_under_its_own_number() -> None:
    stream = _stream(_choice(_call(0, "{", "read")), _choice({"content": "x"}), _choice(_call(0, "}")))
    del stream.chunks[2]
    body = stream.render(stream.chunks).replace(b"extra_content", b"x_content")
    calls = check_openai(body, include_usage=True, native=True).choices[0].calls
    assert calls == [{"id": "c0", "name": "read", "arguments": "{}"}]


def test_a_message_that_a_provider_repeats_does_not_bring_back_what_was_changed() -> None:
    stream = _stream(
        _choice({"content": "secret"}, message={"content": "secret"}),
        _choice({"content": "."}, message={"content": "secret."}),
    )
    stream.chunks[1] = changed(stream.chunks[1])
    assert b"secret" not in stream.render(stream.chunks)


def test_another_choice_that_goes_on_releases_what_was_held() -> None:
    stream = NativeStream(
        "openai_chat",
        [
            _choice({"role": "assistant"}),
            _choice({"role": "assistant"}, index=1),
            _choice({}, "stop"),
            _choice({"content": "b"}, index=1),
            _choice({}, "stop", index=1),
            "[DONE]",
        ],
    )
    assert stream.render(stream.chunks) == stream.body


def test_an_end_that_a_policy_dropped_is_made_anew() -> None:
    stream = _stream(_choice({"content": "a"}))
    checked = check_openai(stream.render(stream.chunks[:2]), include_usage=True, native=True)
    assert checked.choices[0].finish_reason == "stop"


def test_an_error_stands_apart_from_an_event_without_its_blank_line() -> None:
    stream = _stream(_choice({"content": "a"}))
    formatter = stream.formatter()
    cut, _ = decoded("openai_chat", NativeStream("openai_chat", stream.events[:2]).body.rstrip())
    body = b"".join(formatter.format(chunk) for chunk in cut)
    assert not body.endswith(b"\n")
    body += formatter.keepalive() + formatter.fail(UpstreamTruncated("It broke off."))
    assert check_openai(body.replace(b"\n\n\n\n", b"\n\n"), include_usage=True, native=True).error is not None


def test_natives_of_the_other_dialect_are_encoded() -> None:
    stream = _stream(_choice({"content": "a"}))
    other: list[Received] = stream.chunks
    body = NativeStream("anthropic_messages", []).render(other)
    assert b"event: message_stop" in body
    assert b"chat.completion.chunk" not in body

"""Legacy completions: requests both ways, whole answers, and streams whatever comes in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects import openai_completions
from app.dialects.openai_completions.response_decoding import ResponseDecoder, decode_response
from app.errors import InvalidRequest, UpstreamFailed
from app.messages import Choice, Message, ModelResponse, Native, Received, Request, ToolCall, Usage, part_of
from tests.unit.dialects.samples import BOUNDED, call, chunk

BODY: dict[str, Any] = {
    "model": "m",
    "prompt": ["a", "b"],
    "suffix": "c",
    "stream": True,
    "stream_options": {"include_usage": True, "x": 1},
    "n": 2,
    "max_tokens": 0,
    "temperature": 0.5,
    "top_p": 1.0,
    "stop": ["x"],
    "user": "u",
    "echo": True,
    "logprobs": 3,
    "x_unknown": {"y": 1},
}


def asked(**fields: Any) -> Request:
    return openai_completions.decode_request({"model": "m", "prompt": "a", **fields}, {})


def test_a_request_comes_back_as_it_was() -> None:
    request = openai_completions.decode_request(BODY, {"openai-beta": "b", "cookie": "c"})
    assert openai_completions.encode_request(request) == BODY
    assert request.headers == {"openai-beta": "b"}
    assert (request.stream, request.include_usage, request.n, request.max_tokens) == (True, True, 2, 0)
    assert len(request.messages) == 3


def test_a_prompt_may_be_missing_and_nulls_are_absent() -> None:
    request = openai_completions.decode_request({"model": "m", "prompt": None, "suffix": None, "stop": None}, {})
    assert openai_completions.encode_request(request) == {"model": "m"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("model", None), ("model", ""), ("prompt", 7), ("stream", "yes"), ("n", 0), ("max_tokens", -1), ("suffix", 1)],
)
def test_a_field_of_a_wrong_kind_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai_completions.decode_request({**BODY, field: value}, {})
    assert field in caught.value.message


def test_a_whole_answer_comes_back_as_it_was() -> None:
    body = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 7,
        "model": "served",
        "choices": [
            {"text": "A", "index": 0, "logprobs": {"tokens": ["A"]}, "finish_reason": "stop", "stop_reason": 5},
            {"text": "", "index": 1, "logprobs": None, "finish_reason": "length"},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "system_fingerprint": "fp",
        "x_unknown": 1,
    }
    encoded = openai_completions.encode_response(decode_response(body), asked())
    details = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    assert encoded == {**body, "usage": {**body["usage"], **details}}  # type: ignore[dict-item]


def test_what_is_no_text_is_left_out_of_a_whole_answer_and_a_refusal_is_one() -> None:
    message = Message(content="a", refusal="b", reasoning_content="c", tool_calls=(ToolCall(),))
    response = ModelResponse(choices=(Choice(message=message, finish_reason="tool_calls"),))
    [choice] = openai_completions.encode_response(response, asked())["choices"]
    assert choice == {"text": "ab", "index": 0, "logprobs": None, "finish_reason": "stop"}


def event(text: str, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": finish, "x_choice": index}
    return {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "served", "choices": [choice], **more}


def natives(*events: dict[str, Any] | bytes) -> list[Received]:
    """Events as chunks; bytes for what has no JSON."""
    decoder, chunks = ResponseDecoder(), []
    for at, one in enumerate(events):
        raw = one if isinstance(one, bytes) else b"data: " + json.dumps(one).encode() + b"\n\n"
        if isinstance(one, bytes):
            chunks.append(Received(decoder.bare(), Native("openai_completions", raw, at)))
        else:
            native = Native("openai_completions", raw, at, json.dumps(one).encode())
            chunks.append(Received(decoder.chunk(one), native))
    return chunks


DONE = b"data: [DONE]\n\n"
USAGE = {**event(""), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}


def rendered(chunks: list[Received], include_usage: bool = False) -> bytes:
    request = asked(stream=True, stream_options={"include_usage": include_usage})
    formatter = openai_completions.DIALECT.formatter(request, "txn", 9)
    return b"".join([formatter.format(one) for one in chunks]) + formatter.finish()


def body_of(chunks: list[Received]) -> bytes:
    return b"".join(one.native.raw for one in chunks if one.native)


def read(body: bytes) -> tuple[dict[int, str], dict[int, str], list[dict[str, Any]]]:
    """Texts and reasons by choice, and all events; `[DONE]` is the last, each choice ends once, and after it says
    nothing."""
    *lines, last = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line.startswith(b"data: ")]
    assert last == b"[DONE]"
    assert body.endswith(DONE)
    events = [json.loads(line) for line in lines]
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for one in events:
        assert (one["id"], one["object"], one["model"]) == (events[0]["id"], "text_completion", events[0]["model"])
        for choice in one["choices"]:
            assert choice["index"] not in reasons
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
            if choice["finish_reason"]:
                reasons[choice["index"]] = choice["finish_reason"]
    assert reasons.keys() == texts.keys()
    return texts, reasons, events


@pytest.mark.parametrize("include_usage", [True, False])
def test_an_untouched_stream_is_the_providers_with_usage_for_who_asked(include_usage: bool) -> None:
    chunks = natives(event("Hel"), b": wait\n\n", event("lo", "length"), USAGE, DONE)
    without = [one for one in chunks if one.chunk.usage is None]
    assert rendered(chunks, include_usage) == body_of(chunks if include_usage else without)


def test_choices_that_end_at_different_times_keep_their_order() -> None:
    chunks = natives(
        event("a"), event("b", None, 1), event("", "stop"), event("c", None, 1), event("", "stop", 1), DONE
    )
    assert rendered(chunks) == body_of(chunks)


@pytest.mark.parametrize("include_usage", [True, False])
def test_after_a_change_the_rest_is_the_providers_own_and_reasons_come_last(include_usage: bool) -> None:
    chunks = natives(event("Hel"), event("lo"), event("!", "length", x=1), USAGE, DONE)
    chunks[1] = Received(part_of(chunks[1].chunk, (Choice(delta=Message(content="LO")),)))
    texts, reasons, events = read(rendered(chunks, include_usage))
    assert (texts[0], reasons[0]) == ("HelLO!", "length")
    assert any(one.get("x") == 1 and one["choices"][0]["x_choice"] == 0 for one in events)
    assert [one["usage"]["prompt_tokens"] for one in events if one.get("usage")] == ([3] if include_usage else [])


def test_what_a_policy_says_last_comes_before_the_reason() -> None:
    chunks = natives(event("Hello", "length"), DONE)
    chunks.append(Received(part_of(chunks[-1].chunk, (Choice(delta=Message(content=" P.S.")),))))
    texts, reasons, _ = read(rendered(chunks))
    assert (texts[0], reasons[0]) == ("Hello P.S.", "length")


def test_an_empty_stream_is_an_empty_answer() -> None:
    assert read(rendered([]))[:2] == ({0: ""}, {0: "stop"})


@pytest.mark.parametrize("sent", [0, 1, 2])
def test_a_failure_ends_with_its_error_and_nothing_comes_after(sent: int) -> None:
    formatter = openai_completions.DIALECT.formatter(asked(stream=True), "txn", 9)
    out = b"".join([formatter.format(one) for one in natives(event("Hel"), event("lo", "stop"))[:sent]])
    out += formatter.keepalive() + formatter.fail(UpstreamFailed("It failed."))
    assert json.loads(out.rpartition(b"data: ")[2])["error"]["message"] == "It failed."
    assert b"[DONE]" not in out
    assert formatter.finish() == formatter.format(Received(chunk(content="x"))) == formatter.keepalive() == b""


_CHUNKS = st.builds(
    lambda index, text, finish, thinking: chunk(
        finish, index=index, content=text or None, reasoning_content=thinking, tool_calls=(call("{}", name="f"),)
    ),
    st.integers(0, 2),
    st.text(max_size=5),
    st.sampled_from([None, None, "stop", "length", "tool_calls", "odd"]),
    st.sampled_from([None, "hm"]),
)


@BOUNDED
@given(st.lists(_CHUNKS | st.just(ModelResponse(usage=Usage(1, 2))), max_size=8))
def test_whatever_comes_in_what_goes_out_is_legal_and_complete(chunks: list[ModelResponse]) -> None:
    texts, _, _ = read(rendered([Received(one) for one in chunks], include_usage=True))
    expected: dict[int, str] = {}
    for one in chunks:
        for choice in one.choices:
            assert choice.delta is not None
            expected[choice.index] = expected.get(choice.index, "") + (choice.delta.content or "")
    assert texts == (expected or {0: ""})

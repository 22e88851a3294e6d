"""Whole answers, refusals and counts."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from app.backends.retry_waits import retry_after
from app.errors import BackendError, UpstreamFailed, UpstreamRejected, UpstreamTruncated
from app.messages import Received as Chunk
from app.messages import Request
from tests.support import run
from tests.unit.backends.direct.rig import ANTHROPIC, KEY, OPENAI, backend_at, failure, read
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    ScriptedUpstream,
    Step,
    anthropic_error,
    json_reply,
    openai_completion,
    openai_error,
    openai_events,
    stream_of,
)

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x-1",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def raw_of(received: Chunk) -> bytes:
    assert received.native is not None
    return received.native.raw


def complete(script: list[Step], model: str = OPENAI, attempt: FakeAttempt | None = None) -> Chunk:
    async def main() -> Chunk:
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model) as backend:
            return await backend.complete(ask(stream=False), attempt or FakeAttempt())

    return run(main())


def refused(script: list[Step], model: str = OPENAI, **params: Any) -> BackendError:
    async def main() -> BackendError:
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model, **params) as backend:
            error = await failure(backend)
            assert isinstance(error, BackendError)
            return error

    return run(main())


@pytest.mark.parametrize(("model", "body"), [(OPENAI, openai_completion({"content": "Hello"})), (ANTHROPIC, MESSAGE)])
def test_a_whole_answer_is_decoded_with_its_bytes_behind_it(model: str, body: dict[str, Any]) -> None:
    attempt = FakeAttempt()
    response = complete(json_reply(body, headers={"x-request-id": "req_1"}), model, attempt)
    message = response.chunk.choices[0].message
    assert message is not None
    assert message.content == "Hello"
    assert response.chunk.choices[0].finish_reason == "stop"
    assert response.native is not None
    assert response.native.event == body
    assert attempt.calls == [("responded", 200), ("request_id", "req_1")]


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<html>Oh no</html>", "text/html"),
        (b"Oh no", "application/json"),
        (b'["Oh no"]', "application/json"),
        (b'{"error": {"message": "Oh no"}}', "application/json"),
        (b'{"choices": [], "x": "Oh no"}', "application/json"),
        (b'{"choices": [{"Oh no": 1}]}', "application/json"),
    ],
)
def test_what_is_no_answer_is_named_and_only_a_page_shown(data: bytes, content_type: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        complete([Head(content_type=content_type), Body(data), End()])
    # Of what may be a model's words nothing is told but what it looks like.
    assert ("Oh no" in str(caught.value.detail)) is data.startswith(b"<")
    assert caught.value.detail
    assert caught.value.outcome == "upstream_error"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (OPENAI, openai_completion({"content": 5})),
        (OPENAI, openai_completion({"content": "Hello"}, finish="error")),
        (ANTHROPIC, {**MESSAGE, "content": 5}),
    ],
)
def test_a_malformed_answer_is_the_providers_fault(model: str, body: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed):
        complete(json_reply(body), model)


@pytest.mark.parametrize("ending", [[Body(b'{"id": "x"'), Fin()], [End()], [Body(b"  \n"), End()]])
def test_an_answer_that_is_cut_off_or_empty_is_truncated(ending: list[Step]) -> None:
    with pytest.raises(UpstreamTruncated):
        complete([Head(content_type="application/json"), *ending])


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_callers_fault_is_told_with_the_providers_words(status: int) -> None:
    error = refused(openai_error(status, "no such thing"))
    assert isinstance(error, UpstreamRejected)
    assert error.status == status
    assert error.message == "no such thing (scripted_error)"


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("400", None),
        (400, None),
        ("a b", None),
        ("x" * 99, None),
    ],
)
def test_the_providers_own_word_for_what_is_wrong_is_kept_where_it_is_one(code: Any, kept: str | None) -> None:
    error = refused(json_reply({"error": {"message": "m", "code": code}}, 400))
    assert isinstance(error, UpstreamRejected)
    assert error.code == kept


def test_a_conversation_that_is_too_long_is_not_tried_elsewhere() -> None:
    failed = {"type": "error", "error": {"message": "m", "code": "context_length_exceeded"}}
    error = refused(stream_of([b"data: " + json.dumps(failed).encode() + b"\n\n"]))
    assert isinstance(error, UpstreamFailed)
    assert (error.status, error.code, error.retryable) == (400, "context_length_exceeded", False)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_complaint_about_our_key_is_not_passed_on(status: int) -> None:
    error = refused(openai_error(status, f"bad key {KEY}"))
    assert isinstance(error, UpstreamFailed)
    assert (error.status, error.upstream_status) == (502, status)
    assert "bad key" not in error.message
    assert KEY not in str(error.detail)


def test_a_key_of_ours_never_leaves_in_a_message() -> None:
    error = refused(openai_error(500, f"failed with {KEY}"), api_key=KEY)
    assert KEY not in error.message + str(error.detail)


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (500, True), (503, True), (529, True)])
def test_a_limit_or_failure_may_be_tried_again_when_the_provider_says(status: int, retryable: bool) -> None:
    error = refused(anthropic_error(status, "overloaded_error", "Overloaded", {"retry-after": "7"}), ANTHROPIC)
    assert (error.status, error.retryable, error.retry_after) == (status, retryable, 7)


def test_a_redirect_is_not_followed() -> None:
    error = refused([Head(302, {"location": "http://127.0.0.1:1/"}), End()])
    assert "redirect" in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, lambda: 10.0) == seconds


@pytest.mark.parametrize(
    "body",
    [
        {"error": "no"},
        {"message": "no"},
        {"detail": "no"},
        {"detail": [{"msg": "no"}]},
        {"object": "error", "message": {"detail": [{"msg": "no"}]}},
        [{"error": {"message": "no"}}],
        {"error": {"message": "no", "code": 5}},
        {"success": False, "errors": [{"code": 1, "message": "no"}]},
        {"Message": "no"},
    ],
)
def test_a_message_is_found_in_the_usual_places(body: Any) -> None:
    assert "no" in refused(json_reply(body, 500)).message


def test_a_tools_input_stays_whatever_its_fields_are_called() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "leave", "input": {"stop_reason": "customer left"}}
    for reason in ("tool_use", "tool_calls"):
        body = {**MESSAGE, "content": [call], "stop_reason": reason}
        received = complete(json_reply(body), ANTHROPIC)
        assert json.loads(raw_of(received)) == {**body, "stop_reason": "tool_use"}


def test_a_call_that_ends_with_stop_comes_as_openai_sends_it_after_one_that_was_demanded() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "leave", "arguments": "{}"}}
    body = openai_completion({"content": None, "tool_calls": [call]})
    assert body["choices"][0]["finish_reason"] == "stop"
    received = complete(json_reply(body))
    assert json.loads(raw_of(received)) == body
    assert received.chunk.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'"Hello"', b'"Hello", "score": NaN'),
        lambda body: body.replace(b"Hello", b"Hello\xed\xa0\xbd"),
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.decode().encode("utf-16"),
    ],
    ids=["number", "half", "byte order", "utf-16"],
)
def test_json_that_was_read_leniently_goes_on_as_strict_json(change: Callable[[bytes], bytes]) -> None:
    body = change(json.dumps(openai_completion({"content": "Hello"})).encode())
    raw = raw_of(complete([Head(content_type="application/json"), Body(body), End()]))
    assert msgspec.json.decode(raw)["choices"][0]["message"]["content"].startswith("Hello")


def test_a_connection_is_used_again_after_a_refusal() -> None:
    async def main() -> None:
        scripts = [openai_error(429), stream_of(openai_events({"content": "x"}))]
        async with (
            ScriptedUpstream(lambda number, _: scripts[number - 1]) as upstream,
            backend_at(upstream) as backend,
        ):
            await failure(backend)
            assert (await read(backend))[1] is None
            assert upstream.connections == 1

    run(main())


def count(script: list[Step], model: str, request: Request) -> tuple[int, ScriptedUpstream]:
    async def main() -> tuple[int, ScriptedUpstream]:
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model) as backend:
            return await backend.count_tokens(request), upstream

    return run(main())


def test_anthropic_counts_tokens_itself() -> None:
    counted, upstream = count(json_reply({"input_tokens": 14}), ANTHROPIC, ask(max_tokens=5))
    assert counted == 14
    assert upstream.requests[0].path == "/v1/messages/count_tokens"
    assert upstream.requests[0].json().keys() == {"model", "messages"}


def test_tokens_for_openai_are_estimated_without_asking() -> None:
    counted, upstream = count([], OPENAI, ask("word " * 100))
    assert 50 < counted < 500
    assert upstream.requests == []

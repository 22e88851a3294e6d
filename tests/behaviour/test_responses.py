"""`POST /v1/responses`: within its own dialect, and from and to the others, over real sockets from end to end."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.responses import call, events, gateway_before, reply, text, whole_call, whole_text
from tests.behaviour.scripted import (
    ARGUMENTS,
    PROVIDER_KEY,
    WORDS,
    call_reply,
    call_stream,
    content_of,
    text_reply,
    text_stream,
    with_tool,
)
from tests.unit.dialects.native_streams import Event
from tests.unit.dialects.openai_responses.events import FRAME
from tests.unit.dialects.openai_responses.events import called as called_by
from tests.unit.dialects.openai_responses.events import stream as stream_by
from tests.unit.dialects.openai_responses.events import text_events as text_by
from tests.upstream import Body, End, Fin, Head, Rst, Script, Sleep, Stall, Step, openai_error

KNOWN: dict[str, Any] = {
    "store": True,
    "previous_response_id": None,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
    "tools": [{"type": "file_search", "vector_store_ids": ["v"]}],
    "x_unknown": {"a": 1},
}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    limits = "  breakers: {upstream: {threshold: 1000, min_requests: 1000}}"
    with gateway_before(provider, limits) as running:
        yield running


@pytest.fixture(scope="module")
def sdk(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


# Its own dialect


def test_a_stream_comes_through_byte_for_byte_and_the_request_with_all_its_fields(
    gateway: RunningGateway, provider: Provider
) -> None:
    body = text()
    provider.play(events(body))
    answer = post(gateway, RESPONSES, ask("res", RESPONSES, stream=True, **KNOWN))
    assert answer.body == body.body
    sent = provider.received()
    assert (sent.path, sent.headers["authorization"]) == ("/v1/responses", f"Bearer {PROVIDER_KEY}")
    kept = {name: value for name, value in KNOWN.items() if value is not None}
    assert sent.json() == {"model": "gpt-scripted", "input": "hello there", "stream": True, **kept}
    ended = gateway.transaction(answer.request_id)
    assert (ended.outcome, ended["flowspan.api"]) == ("ok", "openai_responses")
    [attempt] = ended.attempts
    attributes = attempt.attributes or {}
    assert (attempt.name, attributes["gen_ai.response.id"]) == ("chat gpt-scripted", "resp_1")
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.reasoning.output_tokens"]) == (10, 2)
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_a_whole_answer_comes_through_byte_for_byte(gateway: RunningGateway, provider: Provider) -> None:
    body = b'{ "x_first": 1, ' + json.dumps(whole_text()).encode()[1:]
    length = {"content-length": str(len(body))}
    provider.play([Head(200, length, "application/json", chunked=False), Body(body)])
    assert post(gateway, RESPONSES, ask("res", RESPONSES)).body == body


def test_requests_are_counted_by_their_api(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(events(text()))
    labels = {"api": "openai_responses", "model": "res", "stream": "true", "outcome": "ok"}
    before = gateway.sample("flowspan_requests_total", **labels)
    gateway.transaction(post(gateway, RESPONSES, ask("res", RESPONSES, stream=True)).request_id)
    gateway.wait_until_idle()
    assert gateway.sample("flowspan_requests_total", **labels) == before + 1


@pytest.mark.parametrize("ending", [End(), Fin(), Rst()], ids=["clean", "FIN", "RST"])
@pytest.mark.parametrize("position", [1, 4])
def test_a_stream_that_ends_before_anything_of_an_answer_is_an_error_status(
    gateway: RunningGateway, provider: Provider, sdk: openai.OpenAI, ending: Step, position: int
) -> None:
    whole = text()
    pieces = [chunk.native.raw for chunk in whole.chunks if chunk.native][:position]
    provider.play([*list(events(whole))[:1], Body(b"".join(pieces)), Sleep(0.05), ending])
    answer = post(gateway, RESPONSES, ask("res", RESPONSES, stream=True))
    assert answer.status == 502
    assert answer.json()["error"]["code"] == "upstream_truncated"
    assert gateway.transaction(answer.request_id).outcome == "upstream_error"
    with pytest.raises(openai.APIError), sdk.responses.stream(model="res", input="hi") as stream:
        stream.get_final_response()


@pytest.mark.parametrize("ending", [End(), Fin(), Rst()], ids=["clean", "FIN", "RST"])
@pytest.mark.parametrize("position", [6, 9])
def test_a_stream_without_its_terminal_event_ends_with_an_error(
    gateway: RunningGateway, provider: Provider, sdk: openai.OpenAI, ending: Step, position: int
) -> None:
    whole = text()
    pieces = [chunk.native.raw for chunk in whole.chunks if chunk.native][:position]
    provider.play([*list(events(whole))[:1], Body(b"".join(pieces)), Sleep(0.05), ending])
    answer = post(gateway, RESPONSES, ask("res", RESPONSES, stream=True))
    assert content_of(RESPONSES, answer.body)[2] is not None
    assert answer.body.startswith(b"".join(pieces))
    assert gateway.transaction(answer.request_id).outcome == "upstream_error"
    with pytest.raises(openai.APIError), sdk.responses.stream(model="res", input="hi") as stream:
        stream.get_final_response()


def test_a_response_that_failed_in_its_stream_ends_with_the_providers_own_event(
    gateway: RunningGateway, provider: Provider, sdk: openai.OpenAI
) -> None:
    error = {"code": "rate_limit_exceeded", "message": "Too much."}
    failed: Event = {"type": "response.failed", "response": {**FRAME, "status": "failed", "error": error}}
    begun = [Body(chunk.native.raw) for chunk in text().chunks[:5] if chunk.native]
    provider.play([Head(), *begun, Body(b"data: " + json.dumps(failed).encode() + b"\n\n"), End()])
    last = list(sdk.responses.create(model="res", input="hi", stream=True))[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert (last.response.error.code, last.response.error.message) == ("rate_limit_exceeded", "Too much.")
    assert gateway.next_transaction(gateway.wait_until_idle() - 1).outcome == "upstream_error"


@pytest.mark.parametrize("model", ["res", "chat"])
def test_leaving_in_the_stream_closes_the_upstream(gateway: RunningGateway, provider: Provider, model: str) -> None:
    script = list(events(text()) if model == "res" else text_stream("oai"))
    provider.play([*script[:6], Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(RESPONSES, ask(model, RESPONSES, stream=True))
        client.read_until(b"Hel")
        client.reset()
        provider.left_within(1)
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


def test_a_status_that_may_pass_is_tried_again(provider: Provider) -> None:
    provider.play(lambda number, request: openai_error(503, "busy") if number == 1 else events(text()))
    with gateway_before(provider, rest="litellm_settings: {num_retries: 1}") as gateway:
        answer = post(gateway, RESPONSES, ask("res", RESPONSES, stream=True))
        assert content_of(RESPONSES, answer.body)[0] == "".join(WORDS)
        assert len(gateway.transaction(answer.request_id).attempts) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_a_status_of_the_provider_is_the_sdks_own_exception(
    provider: Provider, sdk: openai.OpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    provider.play(openai_error(status, "scripted"))
    with pytest.raises(kind, match="scripted"):
        sdk.responses.create(model="res", input="hi")


# A provider of which nothing is known


def test_a_provider_without_the_api_is_asked_once_for_it_and_then_in_a_chat(provider: Provider) -> None:
    def script(number: int, request: Any) -> Script:
        return openai_error(404, "Invalid URL") if request.path == RESPONSES else text_stream("oai")

    provider.play(script)
    with gateway_before(provider) as gateway:
        for _ in range(2):
            answer = post(gateway, RESPONSES, ask("any", RESPONSES, stream=True))
            assert content_of(RESPONSES, answer.body) == ("".join(WORDS), [], None)
            ended = gateway.transaction(answer.request_id)
            assert (ended.outcome, len(ended.attempts)) == ("ok", 1)
    assert [request.path for request in provider.requests] == [RESPONSES, CHAT, CHAT]


# From and to the other dialects

OTHER_DIALECTS = [(RESPONSES, "chat"), (RESPONSES, "ant"), (CHAT, "res"), (MESSAGES, "res")]
other_dialects = pytest.mark.parametrize(("path", "model"), OTHER_DIALECTS)


def _stream(model: str, calls: bool) -> Script:
    if model == "res":
        return events(call() if calls else text())
    made = "oai" if model == "chat" else "ant"
    return call_stream(made) if calls else text_stream(made)


def _whole(model: str, calls: bool) -> Script:
    if model == "res":
        return reply(whole_call() if calls else whole_text())
    made = "oai" if model == "chat" else "ant"
    return call_reply(made) if calls else text_reply(made)


@other_dialects
@pytest.mark.parametrize("calls", [False, True])
def test_a_stream_is_translated(
    gateway: RunningGateway, provider: Provider, path: str, model: str, calls: bool
) -> None:
    provider.play(_stream(model, calls))
    answer = post(gateway, path, ask(model, path, stream=True, **with_tool(path)))
    expected = ("", [("get_weather", ARGUMENTS)], None) if calls else ("".join(WORDS), [], None)
    assert content_of(path, answer.body) == expected
    assert gateway.transaction(answer.request_id).outcome == "ok"
    assert provider.received().path == {"res": RESPONSES, "chat": CHAT, "ant": MESSAGES}[model]


@pytest.mark.parametrize("model", ["res", "chat", "ant"])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_sdk_gets_text_and_usage(provider: Provider, sdk: openai.OpenAI, model: str, streamed: bool) -> None:
    provider.play(_stream(model, False) if streamed else _whole(model, False))
    if streamed:
        with sdk.responses.stream(model=model, input="hi") as stream:
            final: Any = stream.get_final_response()
    else:
        final = sdk.responses.create(model=model, input="hi")
    assert final.output_text == "".join(WORDS)
    assert final.status == "completed"
    assert final.usage.total_tokens == final.usage.input_tokens + final.usage.output_tokens
    assert final.usage.input_tokens == (10 if model == "res" else 9)


@pytest.mark.parametrize("model", ["res", "chat", "ant"])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_sdk_gets_calls_and_gives_back_their_results(
    provider: Provider, sdk: openai.OpenAI, model: str, streamed: bool
) -> None:
    provider.play(_stream(model, True) if streamed else _whole(model, True))
    asked: Any = {"model": model, "input": [{"role": "user", "content": "hi"}], **with_tool(RESPONSES)}
    if streamed:
        with sdk.responses.stream(**asked) as stream:
            first: Any = stream.get_final_response()
    else:
        first = sdk.responses.create(**asked)
    [called] = [item for item in first.output if item.type == "function_call"]
    assert (called.name, called.arguments.replace(" ", "")) == ("get_weather", ARGUMENTS.replace(" ", ""))
    result = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
    provider.play(_whole(model, False))
    second = sdk.responses.create(**{**asked, "input": [*asked["input"], *first.output, result]})
    assert second.output_text == "".join(WORDS)
    sent = provider.received().body.decode()
    assert sent.count(called.call_id) == 2
    assert "sunny" in sent


@other_dialects
def test_a_stream_that_is_cut_off_is_an_error_in_the_clients_dialect(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    steps = list(_stream(model, False))
    provider.play([*steps[: len(steps) // 2], Sleep(0.05), Fin()])
    answer = post(gateway, path, ask(model, path, stream=True))
    assert content_of(path, answer.body)[2] is not None
    assert gateway.transaction(answer.request_id).outcome == "upstream_error"


@pytest.mark.parametrize("model", ["chat", "ant"])
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, "tools[0]"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name_and_nobody_is_asked(
    gateway: RunningGateway, provider: Provider, model: str, fields: dict[str, Any], named: str
) -> None:
    provider.play(_whole(model, False))
    answer = post(gateway, RESPONSES, ask(model, RESPONSES, **fields))
    assert (answer.status, answer.json()["error"]["param"]) == (400, named)
    assert gateway.transaction(answer.request_id).outcome == "client_error"
    assert provider.requests == []


# Policies


@pytest.fixture(scope="module")
def redacting(provider: Provider) -> Iterator[RunningGateway]:
    with gateway_before(provider, "  policies: [{use: redact, config: {patterns: [email]}}]") as running:
        yield running


SECRET = "Mail canary@example.org, or canary.two@sub.example.com: thanks"
REDACTED = "Mail [EMAIL], or [EMAIL]: thanks"


@pytest.mark.parametrize("size", [1, 5, 200])
def test_what_is_redacted_of_a_stream_comes_back_nowhere(
    redacting: RunningGateway, provider: Provider, size: int
) -> None:
    pieces = [SECRET[start : start + size] for start in range(0, len(SECRET), size)]
    arguments = json.dumps({"to": "canary@example.org", "n": 1})
    provider.play(events(stream_by(text_by(*pieces), called_by(arguments[:9], arguments[9:], at=1))))
    answer = post(redacting, RESPONSES, ask("res", RESPONSES, stream=True))
    assert content_of(RESPONSES, answer.body) == (REDACTED, [("read", '{"to": "[EMAIL]", "n": 1}')], None)
    assert b"canary" not in answer.body
    assert b'"metadata":{"team":"blue"}' in answer.body


def test_what_is_redacted_of_a_whole_answer_comes_back_nowhere(redacting: RunningGateway, provider: Provider) -> None:
    whole = json.loads(json.dumps(whole_text()).replace("".join(WORDS), SECRET))
    provider.play(reply(whole))
    answer = post(redacting, RESPONSES, ask("res", RESPONSES))
    assert b"canary" not in answer.body
    assert answer.json()["output"][0]["content"][0]["text"] == REDACTED
    assert answer.json()["metadata"] == {"team": "blue"}


def test_a_stream_in_which_nothing_is_found_keeps_every_byte(redacting: RunningGateway, provider: Provider) -> None:
    body = text("Hello there, ", "world. ")
    provider.play(events(body))
    assert post(redacting, RESPONSES, ask("res", RESPONSES, stream=True)).body == body.body


@pytest.mark.parametrize("model", ["res", "chat", "ant"])
def test_the_provider_sees_a_redacted_request(redacting: RunningGateway, provider: Provider, model: str) -> None:
    provider.play(_whole(model, False))
    mail = "write to canary@example.org now"
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": mail}]},
        {"type": "function_call", "call_id": "c", "name": "read", "arguments": json.dumps({"a": mail})},
        {"type": "function_call_output", "call_id": "c", "output": mail},
    ]
    body = {"model": model, "input": items, "instructions": mail}
    assert post(redacting, RESPONSES, body).status == 200
    sent = provider.received().body.decode()
    assert "canary" not in sent
    assert sent.count("write to [EMAIL] now") == 4

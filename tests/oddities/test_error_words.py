"""Words of errors, wherever a provider puts them: they reach every client, whether they come as a status, in a body of
status 200, or in a stream, and what they say decides what is done."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, ask, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY
from tests.oddities.client_views import Api
from tests.oddities.table import (
    APIS,
    Case,
    Expected,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    over,
    sse,
)
from tests.upstream import Body, Head, Script, json_reply

WORDS = "these very words"
LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
BEFORE: Mapping[Api, Any] = {
    "chat": {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta(content="a")]},
    "messages": {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    "responses": {
        "type": "response.created",
        "sequence_number": 0,
        "response": {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [], "status": "x"},
    },
}


def bodies(words: str) -> dict[str, Any]:
    """An error with these words in each of the forms that were seen."""
    raw = json.dumps({"type": "error", "error": {"type": "x", "message": words}})
    return {
        "an error that is null": {"error": None, "message": words},
        "errors as texts": {"errors": [words]},
        "errors as objects": {"errors": [{"message": words, "code": 1}], "success": False},
        "a detail": {"detail": words},
        "FastAPI": {"detail": [{"loc": ["body", "messages", 0], "msg": words, "type": "missing"}]},
        "Baidu": {"error_msg": words, "error_code": 336003, "id": "as-1"},
        "a message of the error": {"error_message": words},
        "MiniMax": {"id": "1", "choices": None, "base_resp": {"status_code": 2013, "status_msg": words}},
        "Amazon's stream": {"internalServerException": {"message": words}},
        "Amazon": {"message": words, "__type": "com.amazon#SomeException"},
        "a choice": {"id": "c", "choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": words}}]},
        "code and msg": {"code": 50505, "msg": words, "data": None},
        "without choices": {"id": "c", "object": "chat.completion.chunk", "choices": [], "message": words},
        "OpenRouter": {"error": {"message": "Provider returned error", "metadata": {"raw": raw}}},
        "NestJS": {"statusCode": 500, "message": [words], "error": "Internal Server Error"},
        "an error that is a list": {"error": [words]},
        "TGI": {"error": words, "error_type": "generation"},
    }


def ways(policies: Any, *streams: bool) -> tuple[Way, ...]:
    return tuple(Way(client, stream, policies) for client in APIS for stream in streams)


def everywhere(words: str, name: str, body: Any, model: Api = "chat") -> Iterator[Case]:
    """The error as a status, in the place of an answer, and as the first and as a later event of a stream."""
    failed = Expected(error=words, outcome="upstream_error")
    status = json_reply(body, 500)
    yield Case(f"{name}, status", status, status, failed, model, ways=ways("no policy", True, False))
    whole = json_reply(body)
    yield Case(f"{name}, whole", whole, whole, failed, model, ways=ways("no policy", True, False))
    yield Case(f"{name}, first", sse(body), None, failed, model, ways=ways("looking", True))
    yield Case(f"{name}, later", sse(BEFORE[model], body), None, failed, model, ways=ways("looking", True))


def at_status(code: int, body: bytes, content_type: str) -> Script:
    length = {"content-length": str(len(body))}
    return [Head(code, length, content_type, chunked=False), Body(body)]


PAGE = b"<!DOCTYPE html>\n<html><head><title>\n  502 Bad &amp; Gateway </title></head><body>secret</body></html>"
EVENTS = {
    "a line of JSON": json.dumps({"error": {"message": WORDS, "code": 502}}).encode() + b"\n\n",
    "a line of JSON at the end": json.dumps({"error": {"message": WORDS, "code": 502}}).encode(),
    "pretty JSON": json.dumps({"error": {"message": WORDS}}, indent=2).encode() + b"\n\n",
    "JSON behind the name of the event": b"event: error\n" + json.dumps({"message": WORDS}).encode() + b"\n\n",
    "plain text": b"event: error\ndata: " + WORDS.encode() + b"\n\n",
    "a text of JSON": b"event: error\ndata: " + json.dumps(WORDS).encode() + b"\n\n",
}
FAILED = Expected(error=WORDS, outcome="upstream_error")
CASES = [
    *(
        case
        for name, body in bodies(WORDS).items()
        if name not in ("MiniMax", "OpenRouter")
        for case in everywhere(WORDS, name, body)
    ),
    # A client of the provider's own API has the whole of it as it came.
    *(
        replace(case, ways=tuple(way for way in case.ways if way.client == "messages"))
        for case in everywhere(WORDS, "OpenRouter", bodies(WORDS)["OpenRouter"])
    ),
    *(
        replace(case, expected=replace(case.expected, outcome="client_error"))
        for case in everywhere(WORDS, "MiniMax", bodies(WORDS)["MiniMax"])
        if "status" not in case.name
    ),
    *(
        case
        for name in ("a detail", "Baidu", "Amazon's stream", "an error that is null")
        for model in ("messages", "responses")
        for case in everywhere(WORDS, f"{name}, {model}", bodies(WORDS)[name], model)
    ),
    *(
        Case(f"{name}, {model}", sse(BEFORE[model], data), None, FAILED, model, ways=ways("looking", True))
        for name, data in EVENTS.items()
        for model in APIS
    ),
    Case(
        "a page",
        at_status(502, PAGE, "text/html"),
        at_status(502, PAGE, "text/html"),
        Expected(error="502 Bad & Gateway", outcome="upstream_error"),
        ways=ways("no policy", True, False),
    ),
    Case(
        "a page with 200",
        at_status(200, PAGE, "text/html"),
        at_status(200, PAGE, "text/html"),
        Expected(error="502 Bad & Gateway", outcome="upstream_error"),
        ways=ways("no policy", True, False),
    ),
    Case(
        "plain text",
        at_status(500, b"upstream connect error", "text/plain"),
        at_status(500, b"upstream connect error", "text/plain"),
        Expected(error="upstream connect error", outcome="upstream_error"),
        ways=ways("no policy", True, False),
    ),
]


@over(CASES)
def test_the_providers_words_reach_the_client(table: Table, case: Case, way: Way) -> None:
    view = table.check(case, way)
    assert "secret" not in (view.error or "")


TOO_LONG = [
    Case(f"{name}{', first' if first else ''}", streamed, json_reply(body, 500), Expected(), ways=ways(policies, True))
    for name, body in bodies(LONG).items()
    for first, streamed, policies in (
        (False, json_reply(body, 500), "no policy"),
        (True, sse(body), "looking"),
    )
]


@over(TOO_LONG)
def test_a_conversation_that_is_too_long_is_known_wherever_the_words_are(table: Table, case: Case, way: Way) -> None:
    reply = table.ask(case, way)
    error = reply.json()["error"]
    assert reply.status in (400, 422), reply
    if way.client == "messages":
        assert "prompt is too long" in error["message"]
    else:
        assert error["code"] == "context_length_exceeded"
    assert table.transaction(way, reply).outcome == "client_error"


LIMITS = {
    "MiniMax": {"base_resp": {"status_code": 1002, "status_msg": "no"}},
    "Baidu": {"error_code": 18, "error_msg": "Open api qps request limit reached"},
    "Baidu's words": {"error_code": 0, "error_msg": "Open api qps request limit reached"},
    "words": {"detail": "Rate limit exceeded. Please try again in 2s."},
    "Amazon": {"throttlingException": {"message": "no"}},
    "a status beside": {"error": "no", "status": 429},
}


BOTH = ways("no policy", True, False)


@over([Case(name, sse(body), json_reply(body), Expected(), ways=BOTH) for name, body in LIMITS.items()])
def test_a_limit_in_a_200_is_told_as_one(table: Table, case: Case, way: Way) -> None:
    reply = table.ask(case, way)
    assert reply.status == 429, reply
    if case.name == "words":
        assert reply.headers["retry-after"] == "2"


LOGIN = json_reply({"base_resp": {"status_code": 1004, "status_msg": "login fail: key"}})


@over([Case("login", LOGIN, LOGIN, Expected(), ways=BOTH)])
def test_a_complaint_about_the_gateways_key_is_kept_from_clients(table: Table, case: Case, way: Way) -> None:
    reply = table.ask(case, way)
    assert reply.status == 502
    assert b"login fail" not in reply.body


KINDLY: Mapping[str, Any] = {
    "MiniMax": {"base_resp": {"status_code": 0, "status_msg": ""}},
    "nulls": {"error": None, "errors": [], "error_code": 0, "message": "", "detail": None},
    "a message": {"message": "welcome", "detail": "fine", "code": 200},
}


def kind_answer(name: str, fields: Mapping[str, Any]) -> Case:
    """A good answer with these fields in its body, or in each of its events."""
    chunks = [{**BEFORE["chat"], "choices": [one], **fields} for one in (delta(content="well"), delta(finish="stop"))]
    choice = {"index": 0, "message": {"role": "assistant", "content": "well"}, "finish_reason": "stop"}
    whole = json_reply({**BEFORE["chat"], "object": "chat.completion", "choices": [choice], **fields})
    return Case(name, sse(*chunks, "[DONE]"), whole, Expected(text="well", finish="stop"))


@over([kind_answer(name, fields) for name, fields in KINDLY.items()])
def test_an_answer_is_no_error_whatever_stands_beside_it(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


MORE = {**BEFORE["chat"], "choices": [delta(content="b")]}
PARTLY = {
    "a choice": delta(content="b", choice={"error": {"message": WORDS}}),
    "the chunk": {**MORE, "error": {"message": WORDS}},
    "MiniMax": {**MORE, "base_resp": {"status_code": 1, "status_msg": WORDS}},
}
BROKEN_OFF = Expected(text="ab", error=WORDS, outcome="upstream_error")


@over([Case(name, chat_events(delta(content="a"), chunk), None, BROKEN_OFF) for name, chunk in PARTLY.items()])
def test_what_comes_with_an_error_is_not_lost(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def test_a_line_of_json_that_is_a_chunk_is_one(table: Table) -> None:
    begun, ended = list(chat_events(delta(content="a"), done=False)), list(chat_events(delta(finish="stop")))
    script = [*begun[:-1], Body(json.dumps(MORE).encode() + b"\n\n"), *ended[1:]]
    case = Case("a chunk", script, None, Expected(text="ab", finish="stop"))
    for way in (Way("chat", True, "no policy"), Way("messages", True, "looking")):
        table.check(case, way)


REST = "router_settings: {num_retries: 0, fallbacks: [{one: [second]}], context_window_fallbacks: [{one: [second]}]}\n"


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[Provider, Provider]]:
    with Provider() as first, Provider() as second:
        yield first, second


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [LIMITS["MiniMax"], {"error_message": LONG}, {"detail": "Rate limit"}])
def test_another_model_is_asked_by_what_the_words_say(
    providers: tuple[Provider, Provider], body: Any, stream: bool
) -> None:
    first, second = providers
    key = f"api_key: {PROVIDER_KEY}, use_chat_completions_api: true"
    rows = [
        f"one: {{model: openai/gpt-a, api_base: '{first.url}/v1', {key}}}",
        f"second: {{model: openai/gpt-b, api_base: '{second.url}/v1', {key}}}",
    ]
    first.play(sse(body) if stream else json_reply(body))
    second.play(chat_events(delta(content="so"), delta(finish="stop")) if stream else chat_whole({"content": "so"}))
    with RunningGateway(configuration(rows, "", REST)) as gateway:
        assert post(gateway, CHAT, ask("one", stream=stream)).status == 200
    assert (len(first.requests), len(second.requests)) == (1, 1)

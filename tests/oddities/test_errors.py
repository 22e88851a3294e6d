"""Errors of providers: whose fault they are, in the words that each client acts on, and as they came where they can."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY
from tests.oddities.table import PATHS, Case, Expected, Table, Way, chat_events, chat_whole, delta, models, over, sse
from tests.upstream import Body, Head, Script, json_reply

REFUSED = "client_error"
VLLM = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
CLAUDE = "prompt is too long: 213462 tokens > 200000 maximum"
GEMINI = "The input token count (1196265) exceeds the maximum number of tokens allowed (1048576)."
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [delta(content="a")],
}
START = {
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
}


def claude_error(kind: str, message: str, **further: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, **further}


def response_failed(code: str, message: str) -> Script:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "output": [],
        "status": "failed",
        "error": {"code": code, "message": message},
    }
    created = {"type": "response.created", "sequence_number": 0, "response": {**response, "status": "in_progress"}}
    return sse(created, {"type": "response.failed", "sequence_number": 1, "response": response})


RAW = json.dumps(claude_error("x", CLAUDE))


def status(code: int, error: Any) -> tuple[Script, Script]:
    return json_reply(error, code), json_reply(error, code)


def within_a_200(error: Mapping[str, Any]) -> tuple[Script, Script]:
    return sse(error), json_reply(error)


IN_VLLM = {"error": {"message": VLLM, "type": "BadRequestError", "code": 400}}
IN_GEMINI = [{"error": {"code": 400, "message": GEMINI, "status": "INVALID_ARGUMENT"}}]
IN_LLAMA = {"error": {"code": 400, "message": "too much", "type": "exceed_context_size_error", "n_ctx": 4096}}
IN_OPENROUTER = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": RAW}}}
IN_OPENAI = {
    "error": {"message": "no", "type": "invalid_request_error", "param": "input", "code": "context_length_exceeded"}
}
IN_CLAUDE = claude_error("invalid_request_error", CLAUDE)
TOO_LONG = [
    Case("vLLM", *status(400, IN_VLLM), Expected(error=VLLM)),
    Case("old vLLM", *status(400, {"object": "error", "message": VLLM, "code": 400}), Expected(error=VLLM)),
    Case("FastAPI", *status(422, {"detail": VLLM}), Expected(error=VLLM)),
    Case("Gemini", *status(400, IN_GEMINI), Expected(error=GEMINI)),
    Case("as a 500", *status(500, {"error": {"message": VLLM, "type": "server_error"}}), Expected(error=VLLM)),
    Case("llama.cpp", *status(400, IN_LLAMA), Expected(error="too much")),
    Case("in a 200", *within_a_200({"error": {"message": VLLM, "code": "400"}}), Expected(error=VLLM)),
    Case("OpenRouter", *within_a_200(IN_OPENROUTER), Expected(error="Provider returned error")),
    Case("Claude", *status(400, IN_CLAUDE), Expected(error=CLAUDE), model="messages"),
    Case("Claude in a 200", *within_a_200(IN_CLAUDE), Expected(error=CLAUDE), model="messages"),
    Case("Responses", *status(400, IN_OPENAI), Expected(error="no"), model="responses"),
]
"""A conversation that is too long, before the first byte of an answer."""
AMID = [
    Case(
        "chat",
        sse(
            CHUNK,
            {"error": {"message": VLLM, "code": 400}},
        ),
        None,
        Expected(error=VLLM),
    ),
    Case("Responses", response_failed("context_length_exceeded", "no"), None, Expected(error="no"), model="responses"),
    Case(
        "messages",
        sse(
            START,
            claude_error("invalid_request_error", CLAUDE),
        ),
        None,
        Expected(error=CLAUDE),
        model="messages",
    ),
]
FLAGGED = {"code": 403, "message": "Input was flagged", "metadata": {"reasons": ["violence"], "flagged_input": "."}}
IN_AZURE = {
    "message": "The response was filtered",
    "code": "content_filter",
    "param": "prompt",
    "innererror": {"code": "ResponsibleAIPolicyViolation"},
}
INVALID = claude_error("invalid_request_error", "no")
OTHERS = [
    Case("OpenRouter's moderation", *status(403, {"error": FLAGGED}), Expected(error="Input was flagged")),
    Case("Azure's filter", *status(400, {"error": IN_AZURE}), Expected(error="The response was filtered")),
    Case("moderation in a 200", *within_a_200({"error": {**FLAGGED, "code": None}}), Expected(error="flagged")),
    Case("code 400 in a 200", *within_a_200({"error": {"code": 400, "message": "no"}}), Expected(error="no")),
    Case("code 400 as text", *within_a_200({"error": {"code": "400", "message": "no"}}), Expected(error="no")),
    Case("Claude's invalid request", *within_a_200(INVALID), Expected(error="no"), model="messages"),
]


def checked_overflow(way: Way, reply: Reply) -> str:
    """Raise AssertionError unless the client is told of its overflow in the words it acts on; returns the message."""
    error = reply.json()["error"]
    assert reply.status in (400, 422), reply
    if way.client == "messages":
        assert error["type"] == "invalid_request_error"
        assert "prompt is too long" in error["message"]
    else:
        assert error["code"] == "context_length_exceeded"
    assert "x-should-retry" not in reply.headers
    return str(error["message"])


@over(TOO_LONG)
def test_a_conversation_that_is_too_long_is_told_in_the_words_a_client_acts_on(
    table: Table, case: Case, way: Way
) -> None:
    reply = table.ask(case, way)
    assert (case.expected.error or "") in checked_overflow(way, reply)
    assert table.transaction(way, reply).outcome == REFUSED
    assert len(table.provider.requests) == 1


@over(AMID)
def test_amid_a_stream_it_is_told_by_the_dialects_last_event(table: Table, case: Case, way: Way) -> None:
    reply = table.ask(case, way)
    if reply.status != 200:
        # Nothing had come that this client would see.
        assert case.name != "chat"
        checked_overflow(way, reply)
        return
    last = json.loads(reply.body.rpartition(b"data: ")[2])
    match way.client:
        case "chat":
            assert last["error"]["code"] == "context_length_exceeded"
        case "messages":
            assert "prompt is too long" in last["error"]["message"]
        case "responses":
            assert last["type"] == "response.failed"
            assert last["response"]["error"]["code"] == "context_length_exceeded"
    assert table.transaction(way, reply).outcome == REFUSED


@over(OTHERS)
def test_a_fault_of_the_clients_is_told_as_one(table: Table, case: Case, way: Way) -> None:
    reply = table.ask(case, way)
    assert 400 <= reply.status < 500
    assert (case.expected.error or "") in reply.json()["error"]["message"]
    assert table.transaction(way, reply).outcome == REFUSED


@pytest.fixture(scope="module")
def other() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def first() -> Iterator[Provider]:
    with Provider() as running:
        yield running


ODD = (
    b'{ "error" :{"message": "odd \\u00e9", "type":"weird","param":null,"code":"x", "more": [1.0, {"a": null}]},'
    b'"request_id":"req_1"}\n'
)
ODD_CLAUDE = (
    b'{"type":"error", "error":{"type":"weird_error","message":"odd \\u00e9","more":[1.0]} ,"request_id":"req_1"}'
)


@pytest.fixture(scope="module")
def steady(first: Provider) -> Iterator[Table]:
    """A table of its own, whose breakers stay closed."""
    steady = "  breakers: {upstream: {threshold: 10000, min_requests: 10000}}\n"
    looking = f"{steady}  policies: ['tests.behaviour.policies:Looks']"
    rows = models(first)
    with (
        RunningGateway(configuration(rows, steady)) as plain,
        RunningGateway(configuration(rows, looking)) as with_policy,
    ):
        yield Table(first, {"no policy": plain, "looking": with_policy})


def raw(data: bytes, code: int) -> Script:
    return [Head(code, {"content-length": str(len(data))}, "application/json", chunked=False), Body(data)]


@pytest.mark.parametrize("policies", ["no policy", "looking"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("code", [400, 404, 406, 413, 429, 500, 502, 529])
@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
def test_an_error_of_the_clients_dialect_goes_on_byte_for_byte(
    steady: Table, client: Any, code: int, stream: bool, policies: Any
) -> None:
    body = ODD_CLAUDE if client == "messages" else ODD
    steady.provider.play(raw(body, code))
    reply = steady.send(Way(client, stream, policies), client)
    assert (reply.status, reply.body) == (code, body)
    assert reply.request_id.startswith("txn_")
    assert reply.headers["request-id"] == reply.request_id


@pytest.mark.parametrize("code", [401, 402, 403, 302, 405, 501])
def test_what_is_about_the_gateways_own_account_or_address_is_kept_from_clients(steady: Table, code: int) -> None:
    steady.provider.play(raw(ODD, code))
    reply = steady.send(Way("chat", False, "no policy"), "chat")
    assert reply.status == 502
    assert b"req_1" not in reply.body


@pytest.mark.parametrize("written", [PROVIDER_KEY, "".join(f"\\u{ord(one):04x}" for one in PROVIDER_KEY)])
@pytest.mark.parametrize("client", ["chat", "messages"])
def test_no_key_leaves_however_it_is_written(steady: Table, client: Any, written: str) -> None:
    body = (ODD_CLAUDE if client == "messages" else ODD).replace(b"odd", f"odd {written}".encode())
    steady.provider.play(raw(body, 400))
    reply = steady.send(Way(client, False, "no policy"), client)
    assert PROVIDER_KEY not in json.dumps(reply.json())
    assert reply.json()["request_id"] == "req_1"
    assert "odd" in reply.json()["error"]["message"]


def test_a_providers_last_event_goes_on_byte_for_byte(steady: Table) -> None:
    event = (
        b'event: error\r\ndata: {"type":"error", "error":{"type":"overloaded_error","message":"Over"},'
        b'"request_id":"r"}\r\n\r\n'
    )
    begun = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}}
    steady.provider.play(sse(START, begun, event))
    reply = steady.send(Way("messages", True, "no policy"), "messages")
    assert reply.body.endswith(event)

    event = b'data: {"error" : {"message":"gone", "code":"x","metadata":{"a":1}}}\n\n'
    steady.provider.play(sse(CHUNK, event))
    reply = steady.send(Way("chat", True, "no policy"), "chat")
    assert reply.body.endswith(event)

    created, failed = [step.data for step in response_failed("server_error", "gone") if isinstance(step, Body)]
    searching = {
        "type": "response.web_search_call.in_progress",
        "sequence_number": 1,
        "item_id": "ws_1",
        "output_index": 0,
    }
    script = sse(created, searching, failed.replace(b'"sequence_number": 1', b'"sequence_number": 2'))
    steady.provider.play(script)
    reply = steady.send(Way("responses", True, "no policy"), "responses")
    assert reply.body == b"".join(getattr(step, "data", b"") for step in script)


# Other deployments, and waits.


REST = """router_settings:
  num_retries: 0
  fallbacks: [{one: [second]}, {two: [second]}]
  context_window_fallbacks: [{one: [second]}]
  content_policy_fallbacks: [{two: [second]}]
"""


@pytest.fixture
def gateway(first: Provider, other: Provider) -> Iterator[RunningGateway]:
    key = f"api_key: {PROVIDER_KEY}"
    rows = [
        *(f"{name}: {{model: openai/gpt-a, api_base: '{first.url}/v1', {key}}}" for name in ("alone", "one", "two")),
        f"pair: {{model: openai/gpt-a, api_base: '{first.url}/v1', {key}, order: 1}}",
        f"pair: {{model: openai/gpt-b, api_base: '{other.url}/v1', {key}, order: 2}}",
        f"second: {{model: openai/gpt-b, api_base: '{other.url}/v1', {key}, use_chat_completions_api: true}}",
        f"by_litellm: {{model: openai/gpt-b, api_base: '{other.url}/v1', {key}}}, backend: litellm",
    ]
    options = "  server: {relay_rate_limit_headers: true}"
    with RunningGateway(configuration(rows, options, REST)) as running:
        yield running


def served(stream: bool) -> Script:
    if stream:
        return chat_events(delta(content="so"), delta(finish="stop"))
    return chat_whole({"content": "so"})


NO_MODEL = {"error": {"message": "The model `gpt-a` does not exist", "code": "model_not_found"}}
LONG = {"error": {"message": VLLM, "code": 400}}
DETAILS = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}]
LIMITED = [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota", "details": DETAILS}}]
FILTERED = {"error": {"message": "no", "code": "content_filter"}}
LARGER = (
    "Request too large for model `gpt-a` on tokens per minute (TPM): Limit 6000, Requested 9170, please reduce your "
    "message size and try again."
)
TOO_MUCH = {"error": {"message": LARGER, "type": "tokens", "code": "rate_limit_exceeded"}}
FULL = {"error": {"message": "Limit 6000, Used 5000, Requested 2000. Please try again in 90s.", "type": "tokens"}}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "error", "code", "helped"),
    [
        ("pair", NO_MODEL, 404, True),
        ("one", NO_MODEL, 404, True),
        ("one", LONG, 400, True),
        ("two", LONG, 400, False),
        ("two", FILTERED, 400, True),
        ("one", FILTERED, 400, False),
        ("one", TOO_MUCH, 413, True),
        ("one", FULL, 413, True),
        ("one", {"error": {"message": "no", "code": "x"}}, 413, False),
        ("one", {"error": {"message": "no", "code": "x"}}, 400, False),
        ("one", {"error": {"message": "No such file object: file_1"}}, 404, False),
    ],
)
def test_another_is_asked_where_it_may_do_better(
    gateway: RunningGateway,
    first: Provider,
    other: Provider,
    model: str,
    error: Any,
    code: int,
    helped: bool,
    stream: bool,
) -> None:
    first.play(json_reply(error, code))
    other.play(served(stream))
    reply = post(gateway, CHAT, ask(model, stream=stream))
    assert reply.status == (200 if helped else code)
    assert (len(first.requests), len(other.requests)) == (1, int(helped))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [(CHAT, 413, "tokens"), (RESPONSES, 413, "tokens"), (MESSAGES, 429, "rate_limit_error")],
)
@pytest.mark.parametrize(("error", "again", "wait"), [(TOO_MUCH, "false", None), (FULL, None, "90")])
def test_a_rate_limit_with_status_413_is_told_as_one(
    gateway: RunningGateway,
    first: Provider,
    path: str,
    status: int,
    kind: str,
    error: Any,
    again: str | None,
    wait: str | None,
    stream: bool,
) -> None:
    first.play(json_reply(error, 413))
    reply = post(gateway, path, ask("alone", path, stream=stream))
    assert (reply.status, reply.json()["error"]["type"]) == (status, kind)
    # SDKs try no 413 again by themselves.
    assert reply.headers.get("x-should-retry") == (again if status == 429 else None)
    assert reply.headers.get("retry-after") == wait
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "upstream_error"
    assert (ended.attempts[0].attributes or {})["http.response.status_code"] == 413


def test_a_model_that_nobody_has_is_a_404_and_is_logged_once(
    gateway: RunningGateway, first: Provider, other: Provider
) -> None:
    first.play(json_reply(NO_MODEL, 404))
    other.play(json_reply(NO_MODEL, 404))
    replies = [post(gateway, path, ask("pair", path)) for path in (CHAT, MESSAGES, RESPONSES)]
    assert [reply.status for reply in replies] == [404, 404, 404]
    assert replies[0].json()["error"]["code"] == "model_not_found"
    assert replies[1].json()["error"]["type"] == "not_found_error"
    lines = [line for line in gateway.logs() if "does not have its model" in str(line)]
    assert len(lines) == 2


def test_a_model_that_one_lacks_does_not_hide_what_is_wrong_with_the_other(
    gateway: RunningGateway, first: Provider, other: Provider
) -> None:
    first.play(json_reply(NO_MODEL, 404))
    other.play(json_reply({"error": {"message": "busy"}}, 503))
    assert post(gateway, CHAT, ask("pair")).status == 503


def test_a_deployment_that_asked_for_a_wait_comes_last(
    gateway: RunningGateway, first: Provider, other: Provider
) -> None:
    first.play(json_reply(LIMITED, 429))
    other.play(served(False))
    assert post(gateway, CHAT, ask("pair")).status == 429  # `num_retries: 0`
    assert post(gateway, CHAT, ask("pair")).status == 200
    assert (len(first.requests), len(other.requests)) == (1, 1)


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_wait_is_told_however_the_provider_says_it(gateway: RunningGateway, first: Provider, path: str) -> None:
    first.play(json_reply(LIMITED, 429))
    reply = post(gateway, path, ask("alone", path))
    assert (reply.status, reply.headers["retry-after"]) == (429, "35")


HEADERS = {
    "x-ratelimit-remaining-requests": "7",
    "anthropic-ratelimit-tokens-reset": "2026-01-01T00:00:00Z",
    "retry-after": "1.5",
    "x-secret": "no",
}


def _refused(stream: bool) -> Script:
    return json_reply(FILTERED, 429)


def _served_otherwise(stream: bool) -> Script:
    return served(not stream)


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.parametrize(
    ("model", "answered"),
    # LiteLLM does not read an answer of another form than it asked for.
    [
        ("second", served),
        ("second", _served_otherwise),
        ("second", _refused),
        ("by_litellm", served),
        ("by_litellm", _refused),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_rate_limit_headers_are_handed_on_where_the_operator_wants_it(
    gateway: RunningGateway, other: Provider, path: str, model: str, answered: Callable[[bool], Script], stream: bool
) -> None:
    head, *rest = answered(stream)
    assert isinstance(head, Head)
    other.play([replace(head, headers={**head.headers, **HEADERS}), *rest])
    reply = post(gateway, path, ask(model, path, stream=stream))
    wanted = {name: value for name, value in HEADERS.items() if name != "x-secret"}
    assert {name: reply.headers.get(name) for name in HEADERS} == {**wanted, "x-secret": None}


def test_rate_limit_headers_are_kept_otherwise(steady: Table) -> None:
    steady.provider.play(json_reply({"error": {"message": "no"}}, 429, HEADERS))
    reply = steady.send(Way("chat", False, "no policy"), "chat")
    assert "x-ratelimit-remaining-requests" not in reply.headers
    assert reply.headers["retry-after"] == "2"


@pytest.mark.parametrize(("sent", "recorded"), [("0", None), ("2", 2), ("x", None), (None, None)])
def test_a_clients_own_retries_are_told_from_first_tries(
    gateway: RunningGateway, other: Provider, sent: str | None, recorded: int | None
) -> None:
    other.play(served(False))
    reply = post(gateway, CHAT, ask("second"), {} if sent is None else {"x-stainless-retry-count": sent})
    assert (gateway.transaction(reply.request_id).span.attributes or {}).get("http.request.resend_count") == recorded
    assert gateway.log_line(transaction_id=reply.request_id)["resend_count"] == recorded

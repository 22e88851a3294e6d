"""Content, captured by opt-in, is what the policies let through: what they removed is in no span, line or metric."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.behaviour import responses
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post, request
from tests.behaviour.gateway import RunningGateway, Transaction, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import call_events, text_stream
from tests.unit.backends.completions_and_embeddings import COMPLETED, EMBEDDED, text_events
from tests.unit.dialects.native_streams import NativeStream
from tests.unit.dialects.openai_responses.events import call_item, called, ended, message, stream
from tests.upstream import Script, anthropic_start, json_reply, openai_completion, stream_of

COMPLETE, EMBED = "/v1/completions", "/v1/embeddings"
CANARY = "kanarienvogel-7391@cage.example"
PIECES = ("write ", "kanarien", "vogel-7391@cage", ".example", " soon")
ARGUMENTS = json.dumps({"to": CANARY, "subject": "write soon"})
CAPTURED = """
  policies: [{use: redact, config: {patterns: [email]}}]
  telemetry: {log_level: debug, boundary_events: both, capture_content: both, openinference: true}"""
PARTS = {
    "gen_ai.input.messages": "write",
    "gen_ai.system_instructions": "write",
    "gen_ai.tool.definitions": "write",
    "gen_ai.output.messages": "write",
}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(responses.models(provider), CAPTURED)) as running:
        yield running


def recorded_by(gateway: RunningGateway) -> str:
    spans = "".join(span.to_json() for span in gateway.spans())
    return gateway.log.getvalue() + spans + generate_latest(gateway.telemetry.registry).decode()


def conversation(path: str) -> dict[str, Any]:
    """A turn after a call of a tool, with an address in every place that has text."""
    text, description = f"write {CANARY}", f"write to {CANARY}"
    schema = {"type": "object", "properties": {"to": {"type": "string", "default": CANARY}}}
    function = {"name": "send", "description": description, "parameters": schema}
    match path:
        case "/v1/chat/completions":
            call = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": ARGUMENTS}}
            messages = [
                {"role": "system", "content": text},
                {"role": "user", "content": [{"type": "text", "text": text}]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": text},
            ]
            return {"messages": messages, "tools": [{"type": "function", "function": function}], "user": CANARY}
        case "/v1/messages":
            call = {"type": "tool_use", "id": "c1", "name": "send", "input": json.loads(ARGUMENTS)}
            messages = [
                {"role": "user", "content": text},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": text, "signature": "s"}, call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": text}]},
            ]
            tool = {"name": "send", "description": description, "input_schema": schema}
            return {"max_tokens": 9, "system": text, "messages": messages, "tools": [tool]}
        case "/v1/responses":
            call = {"type": "function_call", "call_id": "c1", "name": "send", "arguments": ARGUMENTS}
            result = {"type": "function_call_output", "call_id": "c1", "output": text}
            asked = [{"role": "user", "content": [{"type": "input_text", "text": text}]}, call, result]
            return {"instructions": text, "input": asked, "tools": [{"type": "function", **function}]}
        case "/v1/completions":
            return {"prompt": [text, "write again"]}
        case _:
            return {"input": [text, "write again"]}


def calls(*pieces: str) -> NativeStream:
    return stream(called(*pieces, name="send"))


def answers(path: str, model: str, whole: bool) -> list[Script]:
    """A text and a call with the address in them, of a provider that speaks the model's API."""
    text = "".join(PIECES)
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": ARGUMENTS}}
    block = {"type": "tool_use", "id": "call_1", "name": "send", "input": json.loads(ARGUMENTS)}
    texts = {"type": "text", "text": text}
    body = anthropic_start()["message"] | {"usage": {"input_tokens": 9, "output_tokens": 4}}
    match path, model, whole:
        case "/v1/completions", _, True:
            return [json_reply({**COMPLETED, "choices": [{**COMPLETED["choices"][0], "text": text}]})]
        case "/v1/completions", _, False:
            return [stream_of(text_events(*PIECES))]
        case "/v1/embeddings", _, _:
            return [json_reply(EMBEDDED)]
        case _, "res", True:
            outputs = (message(text), call_item(ARGUMENTS, name="send"))
            return [responses.reply(ended(output)["response"]) for output in outputs]
        case _, "res", False:
            pieces = ARGUMENTS[:20], ARGUMENTS[20:]
            return [responses.events(one) for one in (responses.text(*PIECES), calls(*pieces))]
        case _, "ant", True:
            return [
                json_reply({**body, "content": [texts], "stop_reason": "end_turn"}),
                json_reply({**body, "content": [block], "stop_reason": "tool_use"}),
            ]
        case _, _, True:
            completion = openai_completion({"content": text, "reasoning_content": text})
            return [json_reply(completion), json_reply(openai_completion({"tool_calls": [call]}, "tool_calls"))]
        case _:
            api = "oai" if model == "chat" else "ant"
            return [text_stream(api, words=PIECES), stream_of(call_events(api, arguments=ARGUMENTS))]


ROADS = [
    (CHAT, "chat"),
    (CHAT, "ant"),
    (MESSAGES, "ant"),
    (MESSAGES, "chat"),
    (RESPONSES, "res"),
    (RESPONSES, "ant"),
    (COMPLETE, "chat"),
    (EMBED, "chat"),
]
HEADERS = {"user-agent": f"curl/8.5.0 ({CANARY})", "tracestate": f"a={CANARY}", "x-unheard-of": CANARY}


def content_of(ended: Transaction) -> dict[str, Any]:
    """The captured parts of the attempt that answered, decoded."""
    attributes = dict(ended.attempts[-1].attributes or {})
    return {name: json.loads(str(attributes[name])) for name in PARTS if name in attributes}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("path", "model"), ROADS)
def test_what_redact_removed_is_nowhere(
    gateway: RunningGateway, provider: Provider, path: str, model: str, stream: bool
) -> None:
    for script in answers(path, model, not stream):
        provider.play(script)
        body = {"model": model, **conversation(path), **({} if path == EMBED else {"stream": stream})}
        reply = post(gateway, path, body, HEADERS)
        assert reply.status == 200, reply.body
        content = content_of(gateway.transaction(reply.request_id))
        found = {name for name, word in PARTS.items() if word in json.dumps(content.get(name, ""))}
        lacking = {
            EMBED: set(PARTS) - {"gen_ai.input.messages"},
            COMPLETE: {"gen_ai.system_instructions", "gen_ai.tool.definitions"},
            CHAT: {"gen_ai.system_instructions"},
        }
        assert found == set(PARTS) - lacking.get(path, set())
        assert json.dumps(content).count("[EMAIL]") >= (1 if path == EMBED else 2)
    gateway.wait_until_idle()
    recorded = recorded_by(gateway)
    assert "[EMAIL]" in recorded
    for piece in (CANARY, "kanarienvogel", "cage.example"):
        assert piece not in recorded


@pytest.mark.parametrize(
    ("policy", "hook"),
    [
        ("Blocks", "on_request"),
        ("Raises", "on_response"),
        ("Blocks", "on_content_delta"),
        ("Raises", "on_content_complete"),
    ],
)
def test_of_what_a_policy_does_not_let_through_there_is_nothing(provider: Provider, policy: str, hook: str) -> None:
    chain = f"""
  policies: [{{use: 'tests.behaviour.policies:{policy}', config: {{hook: {hook}}}}}]
  telemetry: {{boundary_events: both, capture_content: both, openinference: true}}"""
    roads = [(CHAT, "chat", False), (MESSAGES, "ant", True), (CHAT, "chat", True)]
    with RunningGateway(configuration(responses.models(provider), chain)) as gateway:
        for path, model, streamed in roads[: 1 if hook == "on_response" else None]:
            provider.play(answers(path, model, not streamed)[0])
            reply = post(gateway, path, ask(model, path, CANARY, stream=streamed))
            assert gateway.transaction(reply.request_id).outcome != "ok"
        recorded = recorded_by(gateway)
        assert "flowspan.outcome" in recorded
        assert "kanarien" not in recorded


def test_a_stored_response_that_no_policy_sees_is_not_recorded(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(responses.reply(ended(message("fine"))["response"]))
    made = post(gateway, RESPONSES, {"model": "res", "input": "hello"}).json()["id"]
    provider.play(responses.events(responses.text(*PIECES)))
    reply = request(gateway, "GET", f"{RESPONSES}/{made}?stream=true")
    assert b"soon" in reply.body
    gateway.wait_until_idle()
    assert "kanarien" not in recorded_by(gateway)

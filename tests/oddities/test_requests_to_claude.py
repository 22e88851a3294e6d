"""Whatever a client writes, what reaches Claude is what its API takes: an upstream that checks as Anthropic's does.

The rules, and the wording of what it answers, are those of public reports: texts of white space
(home-assistant/core#175637), thinking of another generation (earendil-works/pi#3297), results without calls
(vertesia/llumiverse#463), schemas (anthropics/claude-code#27337), prefill (router-for-me/CLIProxyAPI#5319), stop
sequences (MegaGrindStone/mcp-web-ui#5), sampling (The-PR-Agent/pr-agent#2456).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.behaviour.clients import Reply
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY
from tests.oddities.client_views import Api, Call, read
from tests.oddities.table import WAYS, Table, Way, messages_events, messages_whole, running_table
from tests.upstream import Received, Script, json_reply

_MODELS = ("claude-opus-4-8", "claude-opus-5-5", "claude-sonnet-4-5")
_ADAPTIVE = frozenset(_MODELS[:2])
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXT: Mapping[str, Any] = {"type": "text", "text": "fine"}


def refusal(body: Mapping[str, Any]) -> str | None:
    """What Anthropic's API has against a request; None if nothing."""
    checks = (_against_options, _against_thinking, _against_tools, _against_messages)
    return next((found for check in checks if (found := check(body)) is not None), None)


def _against_options(body: Mapping[str, Any]) -> str | None:
    if any(not stop.strip() for stop in body.get("stop_sequences", ())):
        return "stop_sequences: each stop sequence must contain non-whitespace"
    if not 0 <= body.get("temperature", 1) <= 1:
        return "temperature: range: 0..1"
    if body["model"] in _ADAPTIVE and body.get("temperature", 1) != 1:
        return "temperature is deprecated for this model"
    if "@" in body.get("metadata", {}).get("user_id", ""):
        return "metadata.user_id: may not be an e-mail address"
    unknown = body.keys() - _KNOWN
    return f"{unknown}: Extra inputs are not permitted" if unknown else None


_KNOWN = frozenset(
    {"model", "max_tokens", "messages", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools"}
    | {"tool_choice", "thinking", "output_config", "metadata", "cache_control"}
)


def _against_thinking(body: Mapping[str, Any]) -> str | None:
    kind = body.get("thinking", {}).get("type")
    effort = body.get("output_config", {}).get("effort")
    if body["model"] not in _ADAPTIVE:
        if kind == "adaptive" or effort:
            return "adaptive thinking is not supported on this model"
        return "budget" if body.get("thinking", {}).get("budget_tokens", 0) >= body["max_tokens"] else None
    if kind not in (None, "adaptive", *(["disabled"] if body["model"] == "claude-opus-4-8" else [])):
        return f'"thinking.type.{kind}" is not supported for this model.'
    return None if effort in (None, "low", "medium", "high", "xhigh", "max") else "output_config.effort"


def _against_tools(body: Mapping[str, Any]) -> str | None:
    tools = body.get("tools", [])
    choice = body.get("tool_choice", {}).get("type")
    names = [tool["name"] for tool in tools]
    if choice and not tools:
        return "tool_choice may only be specified while providing tools"
    if choice in ("any", "tool") and body["model"] == "claude-opus-5-5":
        return "tool_choice: forced tool use is not supported"
    if len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        return "tools: names"
    if any(tool["input_schema"].get("type") != "object" for tool in tools):
        return "tools.0.custom.input_schema.type: Field required"
    if any({"anyOf", "oneOf", "allOf"} & tool["input_schema"].keys() for tool in tools):
        return "input_schema does not support oneOf, allOf, or anyOf at the top level"
    return None


def _against_messages(body: Mapping[str, Any]) -> str | None:
    messages = body["messages"]
    if messages[0]["role"] != "user" or any(message["role"] == "system" for message in messages):
        return "messages: roles"
    if messages[-1]["role"] == "assistant" and body["model"] in _ADAPTIVE:
        return "This model does not support assistant message prefill."
    if _has_blank([message["content"] for message in messages]) or _has_blank(body.get("system", "s")):
        return "messages: text content blocks must contain non-whitespace text"
    if any(_media_type(block) for message in messages for block in _blocks(message)):
        return "media_type"
    for before, message in zip([{"content": ""}, *messages], [*messages, {"content": ""}], strict=True):
        wanted = [block["id"] for block in _blocks(before) if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in _blocks(message) if block["type"] == "tool_result"]
        first = [block["type"] for block in _blocks(message)][: len(results)]
        if sorted(wanted) != sorted(results) or set(first) - {"tool_result"}:
            return "tool_use ids were found without tool_result blocks immediately after"
    ids = [block["id"] for message in messages for block in _blocks(message) if block["type"] == "tool_use"]
    return "tool_use ids must be unique" if len(set(ids)) < len(ids) else None


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    return message["content"] if isinstance(message["content"], list) else []


def _has_blank(value: Any) -> bool:
    match value:
        case str():
            return not value.strip()
        case list():
            return any(map(_has_blank, value))
        case {"type": "text", "text": text}:
            return not text.strip()
        case {"type": "tool_result", "content": content}:
            return _has_blank(content)
        case _:
            return False


def _media_type(block: Mapping[str, Any]) -> bool:
    source = block.get("source", {})
    if source.get("type") != "base64":
        return False
    allowed = _IMAGES if block["type"] == "image" else {"application/pdf"}
    return source["media_type"] not in allowed


def _checked(number: int, request: Received) -> Script:
    body = request.json()
    if (found := refusal(body)) is not None:
        return json_reply({"type": "error", "error": {"type": "invalid_request_error", "message": found}}, 400)
    if body.get("stream"):
        return messages_events(({**_TEXT, "text": ""}, [{"type": "text_delta", "text": "fine"}]))
    return messages_whole([_TEXT])


@pytest.fixture(scope="module")
def claude() -> Iterator[Table]:
    def rows(provider: Provider) -> list[str]:
        where = f"api_base: '{provider.url}', api_key: {PROVIDER_KEY}"
        return [f"{name}: {{model: anthropic/{name}, {where}}}" for name in _MODELS]

    with running_table(rows) as table:
        yield table


_CALL = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": ""}}
_CALLED = {"role": "assistant", "content": "\n\n", "tool_calls": [_CALL]}
_RESULT = {"role": "tool", "tool_call_id": "call_0", "content": " "}
_USER = {"role": "user", "content": "q"}
_ITEM = {"type": "function_call", "call_id": "call_0", "name": "f", "arguments": ""}
_OUTPUT = {"type": "function_call_output", "call_id": "call_0", "output": "\n"}
_FUNCTION = {"type": "function", "function": {"name": "f"}}
_FLAT = {"type": "function", "name": "f"}
_UNION = {"anyOf": [{"type": "object", "properties": {"a": {}}}]}
_IMAGE = "data:IMAGE/JPG;base64,/9j/4AAQ"
_CONVERSATION: dict[str, Any] = {"messages": [_USER, _CALLED, _RESULT, _USER, _CALLED, _RESULT], "tools": [_FUNCTION]}
_ITEMS: dict[str, Any] = {"input": [_USER, _ITEM, _OUTPUT, _USER, _ITEM, _OUTPUT], "tools": [_FLAT]}

WISHES: Mapping[str, Mapping[Api, Mapping[str, Any]]] = {
    "an effort": {
        "chat": {"reasoning_effort": "high", "max_completion_tokens": 9000, "temperature": 1.3},
        "responses": {"reasoning": {"effort": "xhigh", "summary": "auto"}},
        "messages": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 9000},
    },
    "no thinking": {
        "chat": {"reasoning_effort": "none"},
        "responses": {"reasoning": {"effort": "minimal"}},
        "messages": {"thinking": {"type": "disabled"}},
    },
    "adaptive thinking": {
        "chat": {"thinking": {"type": "adaptive"}, "max_tokens": 9000},
        "messages": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "max_tokens": 9000},
    },
    "blank texts": {
        "chat": {"messages": [{"role": "system", "content": ""}, _USER, {"role": "assistant", "content": " "}, _USER]},
        "responses": {"instructions": " ", "input": [_USER, {"role": "assistant", "content": "\n"}, _USER]},
        "messages": {"messages": [_USER, {"role": "assistant", "content": "\n"}, _USER], "system": " "},
    },
    "calls with the same id each turn": {"chat": _CONVERSATION, "responses": _ITEMS},
    "calls and no tools": {
        "chat": {"messages": _CONVERSATION["messages"]},
        "responses": {"input": _ITEMS["input"]},
    },
    "calls without results and results without calls": {
        "chat": {"messages": [_RESULT, _USER, _CALLED, _USER, {**_RESULT, "tool_call_id": "x"}], "tools": [_FUNCTION]},
        "responses": {"input": [_OUTPUT, _ITEM, _USER], "tools": [_FLAT]},
    },
    "the assistant last": {
        "chat": {"messages": [_USER, {"role": "assistant", "content": "So "}]},
        "responses": {"input": [_USER, {"role": "assistant", "content": "So "}]},
    },
    "system amid": {
        "chat": {"messages": [{"role": "developer", "content": "s"}, _USER, {"role": "system", "content": "t"}]},
        "responses": {"input": [_USER, {"role": "developer", "content": "t"}]},
    },
    "schemas and names": {
        "chat": {
            "tools": [
                {"type": "function", "function": {"name": name, "parameters": _UNION}} for name in ("a.b", "f", "f")
            ]
        },
        "responses": {"tools": [{**_FLAT, "name": "a.b", "parameters": {}}, {**_FLAT, "parameters": _UNION}]},
    },
    "a choice among no tools": {
        "chat": {"tools": [], "tool_choice": "auto"},
        "responses": {"tools": [], "tool_choice": "auto"},
        "messages": {"tools": [], "tool_choice": {"type": "auto"}},
    },
    "a forced tool": {
        "chat": {"tools": [_FUNCTION], "tool_choice": "required", "reasoning_effort": "low"},
        "responses": {
            "tools": [_FLAT],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [_FLAT]},
        },
    },
    "what was there before tools": {
        "chat": {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
    },
    "stops, a user and any JSON": {
        "chat": {"stop": ["\n", ""], "user": "a@example.org", "response_format": {"type": "json_object"}, "seed": 1},
        "responses": {"user": "a@example.org", "prompt_cache_key": "k"},
    },
    "an image": {
        "chat": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": _IMAGE}}]}]},
        "responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": _IMAGE}]}]},
    },
}
_ROWS = [
    pytest.param(name, model, way, id=f"{name}-{model}-{way}")
    for name, wish in WISHES.items()
    for model in _MODELS
    for way in WAYS
    if way.client in wish and (model == _MODELS[0] or way[1:] == (False, "no policy"))
]


@pytest.mark.parametrize(("name", "model", "way"), _ROWS)
def test_what_a_client_wrote_is_taken(claude: Table, name: str, model: str, way: Way) -> None:
    claude.provider.play(_checked)
    reply = claude.send(way, model, **WISHES[name][way.client])
    view = read(way.client, way.stream, reply)
    assert (view.error, view.text, len(claude.provider.requests)) == (None, "fine", 1)


@pytest.mark.parametrize("way", [way for way in WAYS if way.client == "chat"], ids=str)
def test_a_client_of_functions_gets_a_function_call(claude: Table, way: Way) -> None:
    claude.provider.play(_calls_first_tool)
    reply = claude.send(way, "claude-opus-4-8", functions=[{"name": "f"}])
    choices = [choice for event in _events(way, reply) for choice in event["choices"]]
    messages = [choice.get("delta", choice.get("message")) for choice in choices]
    calls = [message["function_call"] for message in messages if message.get("function_call")]
    assert "".join(call.get("name", "") for call in calls) == "f"
    assert json.loads("".join(call.get("arguments", "") for call in calls)) == {"at": 1}
    assert not any("tool_calls" in message for message in messages)
    assert choices[-1]["finish_reason"] == "function_call"


@pytest.mark.parametrize("way", [way for way in WAYS if way.client != "messages"], ids=str)
def test_a_tool_gets_its_own_name_back(claude: Table, way: Way) -> None:
    claude.provider.play(_calls_first_tool)
    function = {"name": "files.read"}
    tool = {"type": "function", **(function if way.client == "responses" else {"function": function})}
    view = read(way.client, way.stream, claude.send(way, "claude-opus-4-8", tools=[tool]))
    assert view.calls == (Call("files.read", {"at": 1}),)


def _calls_first_tool(number: int, request: Received) -> Script:
    body = request.json()
    block = {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": {"at": 1}}
    if not body.get("stream"):
        return messages_whole([block], stop="tool_use")
    delta = {"type": "input_json_delta", "partial_json": '{"at": 1}'}
    return messages_events(({**block, "input": {}}, [delta]), stop="tool_use")


def _events(way: Way, reply: Reply) -> list[dict[str, Any]]:
    if not way.stream:
        return [reply.json()]
    lines = [line.removeprefix(b"data: ") for line in reply.body.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]

"""What a client remembers of an answer and sends back with its next request: the fields of its own dialect, as SDKs and
agents keep them, and nothing else."""

import json
from typing import Any

from tests.behaviour.clients import Reply
from tests.oddities.client_views import Api, events

Turn = list[dict[str, Any]]
"""Messages, or items of the Responses API."""
QUESTION = {"role": "user", "content": "weather?"}
INPUTS = {"chat": "messages", "messages": "messages", "responses": "input"}
"""The field of a body that a conversation goes into."""


def remembered(api: Api, stream: bool, reply: Reply) -> Turn:
    """The assistant's turn as the client will send it back."""
    assert reply.status == 200, reply
    match api:
        case "chat":
            return [_chat_message(reply.body) if stream else dict(reply.json()["choices"][0]["message"])]
        case "messages":
            return [{"role": "assistant", "content": _blocks(reply.body) if stream else reply.json()["content"]}]
        case "responses":
            return [dict(item) for item in _items(reply.body, stream)]


def results(api: Api, turn: Turn) -> Turn:
    """A result for each call of a turn."""
    match api:
        case "chat":
            calls = turn[0].get("tool_calls") or ()
            return [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]
        case "messages":
            blocks = [block for block in turn[0]["content"] if block["type"] == "tool_use"]
            found = [{"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"} for block in blocks]
            return [{"role": "user", "content": found or "and then?"}]
        case "responses":
            calls = [item for item in turn if item["type"] == "function_call"]
            return [{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"} for call in calls]


def _chat_message(body: bytes) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    for event in events(body):
        for choice in [] if event == "[DONE]" else event["choices"]:
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for call in value:
                        _add_call(calls.setdefault(call["index"], {}), call)
                elif name != "role" and value:
                    message[name] = (message.get(name) or "") + value if isinstance(value, str) else value
    return {**message, "tool_calls": list(calls.values())} if calls else message


def _add_call(call: dict[str, Any], piece: dict[str, Any]) -> None:
    function = piece.get("function") or {}
    arguments = call.get("function", {}).get("arguments", "") + (function.get("arguments") or "")
    call |= {name: value for name, value in piece.items() if name not in ("index", "function")}
    call["function"] = {**call.get("function", {}), **function, "arguments": arguments}


def _blocks(body: bytes) -> Turn:
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for event in events(body):
        index = event.get("index")
        if event["type"] == "content_block_start":
            blocks[index] = dict(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            for name in ("text", "thinking", "signature"):
                blocks[index][name] = (
                    blocks[index].get(name, "") + delta[name] if name in delta else blocks[index].get(name)
                )
            inputs[index] = inputs.get(index, "") + delta.get("partial_json", "")
    for index, block in blocks.items():
        if block["type"] == "tool_use":
            block["input"] = json.loads(inputs.get(index) or "{}")
    return [{name: value for name, value in block.items() if value is not None} for block in blocks.values()]


def _items(body: bytes, stream: bool) -> Turn:
    if not stream:
        output: Turn = json.loads(body)["output"]
        return output
    return [event["item"] for event in events(body) if event["type"] == "response.output_item.done"]

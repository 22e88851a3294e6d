"""A whole response as OpenAI's Responses API has it, and the frame that a stream's events show too.

A provider's own body stays as it is but for what a message says otherwise now: each text stands where the provider had
its first, and items of which nothing is left are left out. Only the first choice is sent: the API knows no others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from app.dialects.encrypted import for_openais_client
from app.dialects.ids import response_id
from app.dialects.namespaces import own_names
from app.dialects.openai_responses.input_encoding import instructions
from app.dialects.openai_responses.items import ARGUMENTS, call_of, incomplete_reason, is_for_client, own_annotation
from app.dialects.openai_responses.reasoning import thoughts, with_thoughts
from app.dialects.openai_responses.response_decoding import decode_response
from app.dialects.openai_responses.server_tools import own_items
from app.dialects.openai_responses.tools import encode_choice, encode_tool
from app.dialects.openai_responses.usage import encode_usage
from app.dialects.thinking import whole_thinking
from app.dialects.tool_calls import whole_calls
from app.messages import Choice, Message, ModelResponse, Request, ThinkingBlock, ToolCall

_Item = dict[str, Any]
_ECHOED = ("metadata", "prompt_cache_key", "safety_identifier", "max_tool_calls")


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    choice = next((choice for choice in response.choices if choice.index == 0), Choice())
    body = response.extra.get("openai_responses")
    if isinstance(body, dict):
        return _patched(body, response, choice)
    id = response_id(response.id) or "resp_0"
    ended = ending(choice.finish_reason)
    names = own_names(request)
    output = _output(choice.message or choice.delta or Message(), id, ended["status"])
    return {
        **frame(request, id, response.created, response.model or request.model),
        **ended,
        "output": [item | names.get(item.get("name", ""), {}) for item in output],
        "usage": None if response.usage is None else encode_usage(response.usage),
        **({} if response.service_tier is None else {"service_tier": response.service_tier}),
    }


def frame(request: Request, id: str, created: int, model: str) -> dict[str, Any]:
    """All of a response but its output, as it stands when it begins. Nothing is stored by the gateway."""
    extra = request.extra
    wanted = request.response_format or {"type": "text"}
    schema = wanted.get("json_schema")
    wanted = {"type": "json_schema", **schema} if isinstance(schema, dict) else wanted
    choice = request.tool_choice
    reasoning = request.reasoning
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": instructions(request),
        "max_output_tokens": request.max_tokens,
        "model": model,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.extra.get("summary") if reasoning else None,
        },
        "store": False,
        "temperature": request.temperature,
        "text": {**extra.get("text", {}), "format": wanted},
        "tool_choice": extra.get("tool_choice", "auto") if choice is None else encode_choice(choice, {}),
        "tools": [encode_tool(tool, True, "tools") for tool in request.tools],
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
        "metadata": {},
        **{name: extra[name] for name in _ECHOED if name in extra},
    }


def ending(finish_reason: str | None) -> dict[str, Any]:
    reason = incomplete_reason(finish_reason)
    if reason is None:
        return {"status": "completed", "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def output_text(body: Mapping[str, Any], output: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Some providers repeat the text beside the output, where SDKs compute it."""
    if not body.get("output_text"):
        return {}
    parts = [part for item in output if item.get("type") == "message" for part in item["content"]]
    return {"output_text": "".join(part.get("text") or "" for part in parts)}


def message_item(id: str, content: Sequence[_Item], status: str = "completed") -> _Item:
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": list(content)}


def text_part(text: str, annotations: Sequence[_Item] = ()) -> _Item:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def refusal_part(text: str) -> _Item:
    return {"type": "refusal", "refusal": text}


def reasoning_item(id: str, thinking: str, block: ThinkingBlock | None = None) -> _Item:
    summary = [{"type": "summary_text", "text": thinking}] if thinking else []
    encrypted = None if block is None else for_openais_client(block)
    item: _Item = {"id": id, "type": "reasoning", "summary": summary}
    return item if encrypted is None else {**item, "encrypted_content": encrypted}


def call_item(id: str, call: ToolCall, arguments: str, status: str = "completed") -> _Item:
    kind = "custom_tool_call" if call.type == "custom" else "function_call"
    said = {"call_id": call.id or id, "name": call.function.name or ""}
    return {"id": id, "type": kind, "status": status, **said, ARGUMENTS[kind]: arguments}


def _output(said: Message, id: str, status: str) -> list[_Item]:
    items: list[_Item] = []
    for block in whole_thinking(said):
        items.append(reasoning_item(f"rs_{id}_{len(items)}", block.thinking, block))
    items += own_items(said.extra.get("server_tools") or (), f"st_{id}")
    if content := _content(said):
        items.append(message_item(f"msg_{id}", content, status))
    return [*items, *_new_calls(said.tool_calls, id)]


def _content(said: Message) -> list[_Item]:
    notes = [note for one in said.annotations if (note := own_annotation(one)) is not None]
    content = [text_part(said.content, notes)] if said.content else []
    return [*content, refusal_part(said.refusal)] if said.refusal else content


def _new_calls(calls: tuple[ToolCall, ...], id: str) -> list[_Item]:
    named = whole_calls(calls, f"call_{id}")
    return [call_item(f"fc_{id}_{call.index}", call, call.function.arguments) for call in named]


def _patched(body: dict[str, Any], response: ModelResponse, choice: Choice) -> dict[str, Any]:
    """The provider's own, but for what is said otherwise now."""
    before, said = decode_response(body), choice.message or choice.delta or Message()
    was = before.choices[0].message or Message()
    output: list[_Item] = list(body.get("output") or ())
    if said.content != was.content or said.refusal != was.refusal:
        output = _with_text(output, said)
    if said.reasoning_content != was.reasoning_content:
        output = _with_thinking(output, said.reasoning_content or "")
    if said.tool_calls != was.tool_calls:
        output = _with_calls(output, said.tool_calls, body)
    ended = {} if choice.finish_reason == before.choices[0].finish_reason else ending(choice.finish_reason)
    counted = {} if response.usage == before.usage else {"usage": response.usage and encode_usage(response.usage)}
    return {**body, **ended, **counted, "output": output, **output_text(body, output)}


def _with_text(own: Iterable[_Item], said: Message) -> list[_Item]:
    """All of the text in the first message."""
    content = _content(replace(said, annotations=()))
    items: list[_Item] = []
    for item in own:
        if item.get("type") != "message":
            items.append(item)
        elif content:
            items.append({**item, "content": content})
            content = []
    return [*items, message_item("msg_0", content)] if content else items


def _with_thinking(own: Iterable[_Item], text: str) -> list[_Item]:
    """All of the thinking in the first item that shows any."""
    items: list[_Item] = []
    for item in own:
        if item.get("type") == "reasoning" and thoughts(item):
            item, text = with_thoughts(item, text), ""
        items.append(item)
    return [reasoning_item("rs_0", text), *items] if text else items


def _with_calls(own: Iterable[_Item], calls: Sequence[ToolCall], body: Mapping[str, Any]) -> list[_Item]:
    """Each call in its own item, where it had one; by its id, as a policy may have left out others."""
    left = {call.id: call for call in calls}
    items: list[_Item] = []
    for item in own:
        if not is_for_client(item, body.get("tools") or ()):
            items.append(item)
        elif (call := left.pop(call_of(item, 0).id, None)) is not None:
            written = ARGUMENTS[str(item["type"])]
            items.append({**item, "name": call.function.name, written: call.function.arguments})
    return [*items, *_new_calls(tuple(left.values()), str(body.get("id")))]

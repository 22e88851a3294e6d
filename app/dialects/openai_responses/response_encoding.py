"""A whole response as OpenAI's Responses API has it, and the frame that a stream's events show too.

Only the first choice is sent: the API knows no others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.dialects.openai_responses.items import (
    ARGUMENTS,
    incomplete_reason,
    responses_annotation,
)
from app.dialects.openai_responses.namespaces import client_names
from app.dialects.openai_responses.request_encoding import instructions
from app.dialects.openai_responses.server_tools import items_of
from app.dialects.openai_responses.tools import encode_choice, encode_native_tool
from app.dialects.openai_responses.usage import encode_usage
from app.dialects.openai_responses.wire import NAME
from app.dialects.thinking import whole_thinking
from app.dialects.tool_calls import whole_calls
from app.dialects.translation.call_signatures import with_signature
from app.dialects.translation.encrypted_reasoning import as_text
from app.dialects.translation.ids import with_prefix
from app.messages import Choice, Message, ModelResponse, Request, ThinkingBlock, ToolCall

_Item = dict[str, Any]
_ECHOED = ("metadata", "prompt_cache_key", "safety_identifier", "max_tool_calls")


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    choice = next((choice for choice in response.choices if choice.index == 0), Choice())
    id = with_prefix(response.id, "resp_") or "resp_0"
    ended = ending(choice.finish_reason)
    names = client_names(request)
    logprobs = (choice.logprobs or {}).get("content") or ()
    output = _output(choice.message or choice.delta or Message(), id, ended["status"], logprobs)
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
        "tool_choice": extra.get("tool_choice", "auto")
        if choice is None
        else encode_choice(request, choice, extra.get("tool_choice", {})),
        "tools": [encode_native_tool(tool) for tool in request.tools],
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


def text_part(text: str, annotations: Sequence[_Item] = (), logprobs: Sequence[_Item] = ()) -> _Item:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(logprobs)}


def refusal_part(text: str) -> _Item:
    return {"type": "refusal", "refusal": text}


def reasoning_item(id: str, thinking: str, block: ThinkingBlock | None = None) -> _Item:
    summary = [{"type": "summary_text", "text": thinking}] if thinking else []
    encrypted = None if block is None else as_text(block, NAME)
    item: _Item = {"id": id, "type": "reasoning", "summary": summary}
    return item if encrypted is None else {**item, "encrypted_content": encrypted}


def call_item(id: str, call: ToolCall, arguments: str, status: str = "completed") -> _Item:
    kind = "custom_tool_call" if call.type == "custom" else "function_call"
    message = {"call_id": with_signature(call) or id, "name": call.function.name or ""}
    return {"id": id, "type": kind, "status": status, **message, ARGUMENTS[kind]: arguments}


def _output(message: Message, id: str, status: str, logprobs: Sequence[_Item]) -> list[_Item]:
    items: list[_Item] = []
    for block in whole_thinking(message):
        items.append(reasoning_item(f"rs_{id}_{len(items)}", block.thinking, block))
    items += items_of(message.extra.get("server_tools") or (), f"st_{id}")
    if content := _content(message, logprobs):
        items.append(message_item(f"msg_{id}", content, status))
    return [*items, *_new_calls(message.tool_calls, id)]


def _content(message: Message, logprobs: Sequence[_Item]) -> list[_Item]:
    notes = [note for one in message.annotations if (note := responses_annotation(one)) is not None]
    content = [text_part(message.content, notes, logprobs)] if message.content else []
    return [*content, refusal_part(message.refusal)] if message.refusal else content


def _new_calls(calls: tuple[ToolCall, ...], id: str) -> list[_Item]:
    named = whole_calls(calls, f"call_{id}")
    return [call_item(f"fc_{id}_{call.index}", call, call.function.arguments) for call in named]

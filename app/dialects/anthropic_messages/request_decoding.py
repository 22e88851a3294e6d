"""A messages body to the common form; unknown fields are kept in `extra` at the level they stood on.

Normalised on the way: null as absent, `stream: false` and an empty `system` as absent. The system prompt becomes the
first message; a `system` message further down keeps its place.
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.anthropic_messages import wire
from app.dialects.anthropic_messages.block_decoding import decode_content
from app.dialects.headers import ANTHROPIC, kept
from app.dialects.validation import check, missing_field, rest, without
from app.messages import InputMessage, NativeRequest, Reasoning, Request, ToolChoice, ToolDefinition

_DECODED = frozenset(wire.Body.__annotations__)
_TOOL = frozenset(["name", "description", "input_schema", "strict"])
_CHOICE = frozenset(["type", "name", "disable_parallel_tool_use"])
_MESSAGE = frozenset(wire.Message.__annotations__)


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """`body` comes from `parse_body`; what is not a legal request raises `InvalidRequest` with the field's path."""
    said = check(body, wire.Body)
    choice, parallel, choice_extra = _tool_choice(said.get("tool_choice"))
    messages = (*_system(said), *(_message(message, at) for at, message in enumerate(said["messages"])))
    tools = tuple([_tool(tool, f"tools[{at}]") for at, tool in enumerate(said.get("tools") or ())])
    return Request(
        dialect="anthropic_messages",
        model=said["model"],
        messages=messages,
        stream=bool(said.get("stream")),
        max_tokens=said["max_tokens"],
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        top_k=said.get("top_k"),
        stop=tuple(said.get("stop_sequences") or ()),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        reasoning=_reasoning(said),
        response_format=_response_format(said),
        user=(said.get("metadata") or {}).get("user_id"),
        extra=_extra(body, said, choice_extra),
        headers=kept(headers, ANTHROPIC),
        native=NativeRequest(body, messages, tools),
    )


def _extra(body: dict[str, Any], said: wire.Body, choice_extra: dict[str, Any]) -> dict[str, Any]:
    extra = rest(body, _DECODED)
    if choice_extra:
        extra["tool_choice"] = choice_extra
    if metadata := without(said.get("metadata") or {}, frozenset(["user_id"])):
        extra["metadata"] = metadata
    output = without(said.get("output_config") or {}, frozenset(["effort", "format"]))
    if unread := _unread_format(said):
        output["format"] = unread
    if output:
        extra["output_config"] = output
    return extra


def _system(said: wire.Body) -> list[InputMessage]:
    system = said.get("system")
    return [InputMessage("system", decode_content(system, "system"))] if system else []


def _message(message: wire.Message, at: int) -> InputMessage:
    content = decode_content(message["content"], f"messages[{at}].content")
    return InputMessage(message["role"], content, without(message, _MESSAGE))


def _reasoning(said: wire.Body) -> Reasoning | None:
    thinking = said.get("thinking")
    effort = (said.get("output_config") or {}).get("effort")
    if thinking is None:
        return None if effort is None else Reasoning(effort=effort)
    kind = thinking["type"]
    extra = without(thinking, frozenset(["type", "budget_tokens"]))
    if kind not in ("enabled", "disabled"):
        extra["type"] = kind
    return Reasoning(kind != "disabled", effort, thinking.get("budget_tokens"), extra)


def _output_format(said: wire.Body) -> dict[str, Any]:
    return (said.get("output_config") or {}).get("format") or {}


def _response_format(said: wire.Body) -> dict[str, Any] | None:
    wanted = _output_format(said)
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted["schema"], "strict": True}}


def _unread_format(said: wire.Body) -> dict[str, Any]:
    wanted = _output_format(said)
    return wanted if _response_format(said) is None else without(wanted, frozenset(["type", "schema"]))


def _tool_choice(choice: wire.ToolChoice | None) -> tuple[ToolChoice | None, bool | None, dict[str, Any]]:
    if choice is None:
        return None, None, {}
    disabled = choice.get("disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    rest = without(choice, _CHOICE)
    match choice["type"]:
        case "auto" | "none" as mode:
            return ToolChoice(mode=mode), parallel, rest
        case "any":
            return ToolChoice(mode="required"), parallel, rest
        case "tool" if "name" not in choice:
            raise missing_field("tool_choice.name")
        case "tool":
            return ToolChoice(mode="named", name=choice["name"]), parallel, rest
        case _:
            return None, None, dict(choice)


def _tool(tool: wire.Tool, path: str) -> ToolDefinition:
    kind = tool.get("type")
    if kind not in (None, "custom"):
        return ToolDefinition(name=tool.get("name") or str(kind), raw=dict(tool))
    for field in ("name", "input_schema"):
        if field not in tool:
            raise missing_field(f"{path}.{field}")
    return ToolDefinition(
        name=tool["name"],
        description=tool.get("description"),
        parameters=tool["input_schema"],
        strict=tool.get("strict"),
        extra=rest(tool, _TOOL),
    )

"""A chat completions body to the common form; unknown fields are kept in `extra` at the level they stood on.

Normalised on the way: null as absent, `stop` as a list, `stream: false` and `include_usage: false` as absent, the
legacy `function` role as `tool`.
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.headers import OPENAI, kept
from app.dialects.openai_chat import wire
from app.dialects.openai_chat.message_decoding import decode_message
from app.dialects.validation import check, missing_field, rest, without
from app.errors import InvalidRequest
from app.messages import NativeRequest, Reasoning, Request, ToolChoice, ToolDefinition

_MAX_TOKENS = ("max_completion_tokens", "max_tokens")
_DECODED = frozenset(wire.Body.__annotations__) - {"stream_options", *_MAX_TOKENS}
_TOOL = frozenset(["type", "function"])
_FUNCTION = frozenset(["name", "description", "parameters", "strict"])


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """`body` comes from `parse_body`; what is not a legal request raises `InvalidRequest` with the field's path."""
    said = check(body, wire.Body)
    effort = said.get("reasoning_effort")
    stop = said.get("stop")
    choice, choice_extra = _tool_choice(said)
    messages = tuple([decode_message(message, f"messages[{at}]") for at, message in enumerate(said["messages"])])
    tools = tuple([_tool(tool, f"tools[{at}]") for at, tool in enumerate(said.get("tools") or ())])
    return Request(
        dialect="openai_chat",
        model=said["model"],
        messages=messages,
        stream=bool(said.get("stream")),
        include_usage=bool((said.get("stream_options") or {}).get("include_usage")),
        n=said.get("n"),
        max_tokens=said.get("max_completion_tokens") or said.get("max_tokens"),
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=said.get("parallel_tool_calls"),
        reasoning=None if effort is None else Reasoning(enabled=effort != "none", effort=effort),
        response_format=said.get("response_format"),
        user=said.get("user"),
        extra=_extra(body, choice_extra),
        headers=kept(headers, OPENAI),
        native=NativeRequest(body, messages, tools),
    )


def _extra(body: dict[str, Any], choice_extra: dict[str, Any]) -> dict[str, Any]:
    """Unknown fields, and the names under which `max_tokens` came: some models refuse the one, some the other."""
    extra = rest(body, _DECODED)
    if choice_extra:
        extra["tool_choice"] = choice_extra
    if options := extra.pop("stream_options", None):
        others = without(options, frozenset(["include_usage"]))
        if others:
            extra["stream_options"] = others
    return extra


def _tool_choice(said: wire.Body) -> tuple[ToolChoice | None, dict[str, Any]]:
    choice = said.get("tool_choice")
    match choice:
        case None:
            return None, {}
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice), {}
        case str():
            raise InvalidRequest(f"tool_choice: unknown value {choice!r}.", param="tool_choice")
        case {"type": "function"}:
            if "function" not in choice:
                raise missing_field("tool_choice.function")
            return ToolChoice(mode="named", name=choice["function"]["name"]), without(choice, _TOOL)
        case _:
            return None, dict(choice)


def _tool(tool: wire.Tool, path: str) -> ToolDefinition:
    if tool["type"] != "function":
        return ToolDefinition(name=_raw_name(tool), raw=dict(tool))
    function = tool.get("function")
    if function is None:
        raise missing_field(f"{path}.function")
    extra = without(tool, _TOOL)
    if inner := without(function, _FUNCTION):
        extra["function"] = inner
    return ToolDefinition(
        name=function["name"],
        description=function.get("description"),
        parameters=function.get("parameters"),
        strict=function.get("strict"),
        extra=extra,
    )


def _raw_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get(tool["type"])
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else str(tool["type"])

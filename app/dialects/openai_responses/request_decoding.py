"""A Responses body to the common form; unknown fields are kept in `extra` at the level they stood on.

Normalised on the way: null and `stream: false` as absent. Instructions become the first message; each item a message.
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.headers import OPENAI, kept
from app.dialects.openai_responses import wire
from app.dialects.openai_responses.input_decoding import decode_item
from app.dialects.openai_responses.tools import decode_choice, decode_tool
from app.dialects.places import INSTRUCTIONS, TEXT
from app.dialects.validation import check, missing_field, rest, without
from app.messages import (
    InputMessage,
    NativeRequest,
    Reasoning,
    RedactedThinkingPart,
    Request,
    TextPart,
    ThinkingPart,
)

_DECODED = frozenset(wire.Body.__annotations__)
_INSTEAD_OF_INPUT = frozenset({"previous_response_id", "conversation", "prompt"})


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """`body` comes from `parse_body`; what is not a legal request raises `InvalidRequest` with the field's path."""
    said = check(body, wire.Body)
    choice, choice_extra = decode_choice(said.get("tool_choice"))
    messages = (*_instructions(said), *_input(said))
    tools = tuple([decode_tool(tool, f"tools[{at}]") for at, tool in enumerate(said.get("tools") or ())])
    return Request(
        dialect="openai_responses",
        model=said["model"],
        messages=messages,
        stream=bool(said.get("stream")),
        include_usage=True,
        max_tokens=said.get("max_output_tokens"),
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=said.get("parallel_tool_calls"),
        reasoning=_reasoning(said),
        response_format=_response_format(said),
        user=said.get("user"),
        extra=_extra(body, said, choice_extra),
        headers=kept(headers, OPENAI),
        native=NativeRequest(body, () if any(map(_is_anothers_thinking, messages)) else messages, tools),
    )


def _is_anothers_thinking(message: InputMessage) -> bool:
    """What an Anthropic model thought goes back to Anthropic only: such a conversation is never sent on as it came."""
    match message.parts:
        case (RedactedThinkingPart(),) | (ThinkingPart(signature=str()),):
            return True
        case _:
            return False


def _instructions(said: wire.Body) -> list[InputMessage]:
    text = said.get("instructions")
    return [] if text is None else [InputMessage("system", (TextPart(text),), {"type": INSTRUCTIONS})]


def _input(said: wire.Body) -> list[InputMessage]:
    given = said.get("input")
    if given is None and not _INSTEAD_OF_INPUT & said.keys():
        raise missing_field("input")
    if isinstance(given, str):
        return [InputMessage("user", (TextPart(given),), {"type": TEXT})]
    return [decode_item(item, f"input[{at}]") for at, item in enumerate(given or ())]


def _extra(body: dict[str, Any], said: wire.Body, choice_extra: dict[str, Any]) -> dict[str, Any]:
    extra = rest(body, _DECODED)
    if choice_extra:
        extra["tool_choice"] = choice_extra
    text = without(said.get("text") or {}, frozenset(["format"]))
    if unread := _unread_format(said):
        text["format"] = unread
    if text:
        extra["text"] = text
    return extra


def _reasoning(said: wire.Body) -> Reasoning | None:
    options = said.get("reasoning")
    if options is None or all(value is None for value in options.values()):
        return None
    effort = options.get("effort")
    return Reasoning(enabled=effort != "none", effort=effort, extra=rest(options, frozenset(["effort"])))


def _format(said: wire.Body) -> dict[str, Any]:
    return (said.get("text") or {}).get("format") or {}


def _response_format(said: wire.Body) -> dict[str, Any] | None:
    """As chat completions have it: what is said of a schema lies one level deeper."""
    wanted = _format(said)
    match wanted.get("type"):
        case "text" | "json_object":
            return dict(wanted)
        case "json_schema":
            return {"type": "json_schema", "json_schema": without(wanted, frozenset(["type"]))}
        case _:
            return None


def _unread_format(said: wire.Body) -> dict[str, Any]:
    wanted = _format(said)
    return wanted if _response_format(said) is None else {}

"""The thinking of earlier turns, on its way back to a provider of chat completions: pure.

Each provider has it under names of its own, needs it, or refuses it (`app.providers.ThinkingHistory`), and a
conversation may have begun at another one. So what a client sends is brought under the names of the provider that is
asked, whichever of them the client has it under. A filler of one space stands in for thinking that a provider demands
and the client lost; it is the least that DeepSeek's and Moonshot's APIs take, and LiteLLM's too.

The same goes for the signatures of Gemini's tool calls, which stand in `extra_content`. Google documents a filler for a
call that it did not sign: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from app.addresses import base_of
from app.dialects.openai_chat.reasoning_decoding import REASONING_FIELDS
from app.dialects.translation.call_signatures import SIGNATURE, as_extra_content, signature_of
from app.dialects.translation.encrypted_reasoning import is_anthropics
from app.providers import SIGNATURES_NEEDED_BY, THINKING_REQUIRED_BY, Provider, ThinkingHistory, at_address

SETTING = "thinking_history"
"""The parameter of a deployment by which its operator says what its provider does with earlier thinking."""
_CHOICES = ("reasoning_content", "reasoning", "required", "none", "unsigned")
_CHOSEN: Mapping[str, ThinkingHistory] = {
    "reasoning_content": ThinkingHistory(fields=("reasoning_content",)),
    "reasoning": ThinkingHistory(fields=("reasoning",)),
    "required": ThinkingHistory(fields=("reasoning_content",), is_required=True),
    "none": ThinkingHistory(fields=()),
}
_FILLER = " "
_UNSIGNED = "skip_thought_signature_validator"
_OF_OTHER_PROVIDERS = frozenset({"extra_content", "provider_specific_fields"})
"""Fields of a message or a call in which Google's API and LiteLLM keep what only they know."""

Message = dict[str, Any]


def history_of(provider: Provider, model: str, params: Mapping[str, Any]) -> ThinkingHistory:
    """What the provider of a deployment does with earlier thinking: what its operator says, else what is known of its
    address, its prefix and its model."""
    if (chosen := _CHOSEN.get(_chosen_by(params) or "")) is not None:
        return chosen
    base = base_of(params)
    if base is not None and provider.prefix in ("openai", "custom_openai"):
        found = at_address(str(base))
        history = ThinkingHistory() if found is None else found.quirks.thinking
    else:
        history = provider.quirks.thinking
    if history.fields == () and not history.signed_calls:
        return history
    return dataclasses.replace(
        history,
        is_required=history.is_required or _names_any(model, THINKING_REQUIRED_BY),
        needs_signatures=_names_any(model, SIGNATURES_NEEDED_BY),
    )


def takes_unsigned_thinking(provider: Provider, params: Mapping[str, Any]) -> bool:
    """Whether a provider of Anthropic's API takes thinking that Anthropic did not sign: those of other models do."""
    if (chosen := _chosen_by(params)) is not None:
        return chosen == "unsigned"
    found = at_address(str(base_of(params) or ""))
    return found is not None and found.prefix != provider.prefix


def check_thinking_history(params: Mapping[str, Any]) -> None:
    """Raise ValueError, with a text for the operator, where a deployment's parameters have an unknown word for it."""
    _chosen_by(params)


def _chosen_by(params: Mapping[str, Any]) -> str | None:
    """What a deployment's operator says. Raises ValueError for an unknown word."""
    chosen = params.get(SETTING)
    if chosen is not None and chosen not in _CHOICES:
        raise ValueError(f"{SETTING} {chosen!r} is none of {', '.join(_CHOICES)}")
    return chosen


def with_thinking(body: Mapping[str, Any], history: ThinkingHistory, same: bool) -> list[Message]:
    """The messages of a body as the provider takes them. `same`: they came from a client of chat completions, whose own
    fields a provider of which nothing is known is given as they are."""
    messages: list[Message] = body["messages"]
    for message in messages:
        if message.get("role") == "assistant":
            break
    else:
        return messages
    filler = _FILLER if history.is_required and _has_tools(body) and not _is_switched_off(body) else None
    return [
        _assistant(message, history, same, filler) if message.get("role") == "assistant" else message
        for message in messages
    ]


def with_signed_thinking(body: Mapping[str, Any]) -> list[Message]:
    """The messages of a body for a provider of Anthropic's models that LiteLLM asks: with the thinking that Anthropic
    signed, and no other."""
    kept = []
    for message in body["messages"]:
        if message.get("role") == "assistant":
            message = _with_signed_blocks(message)
            if not message.get("content") and not message.get("tool_calls") and "thinking_blocks" not in message:
                continue
        kept.append(message)
    return kept


def may_think(messages: list[Message]) -> bool:
    """Whether Anthropic's models may think with a budget: not after a call whose own thinking is missing."""
    last = next((message for message in reversed(messages) if message.get("role") == "assistant"), {})
    return not last.get("tool_calls") or bool(last.get("thinking_blocks"))


def _with_signed_blocks(message: Message) -> Message:
    kept = {name: value for name, value in message.items() if name not in REASONING_FIELDS}
    kept = _without_thinking_parts(kept)
    given = message.get("thinking_blocks")
    signed = [block for block in given if _is_signed(block)] if isinstance(given, list) else []
    return {**kept, "thinking_blocks": signed} if signed else kept


def _is_signed(block: Any) -> bool:
    return isinstance(block, dict) and is_anthropics(block.get("data") or block.get("signature"))


def _assistant(message: Message, history: ThinkingHistory, same: bool, filler: str | None) -> Message:
    given = _known(message, history) if history.fields is not None else _unknown(message, history, same)
    names = ("reasoning_content",) if history.fields is None else history.fields
    if filler is not None and names and not any(given.get(name) for name in names):
        given = {**given, **{name: _as_field(name, filler) for name in names}}
    if calls := given.get("tool_calls"):
        calls = _with_signature(calls) if history.needs_signatures else calls
        calls = for_litellm(calls) if history.signed_blocks else calls
        given = given if calls is given["tool_calls"] else {**given, "tool_calls": calls}
    return given


def _unknown(message: Message, history: ThinkingHistory, same: bool) -> Message:
    if same or history.signed_blocks or "thinking_blocks" not in message:
        return message
    return {name: value for name, value in message.items() if name != "thinking_blocks"}


def _known(message: Message, history: ThinkingHistory) -> Message:
    names = history.fields or ()
    left_out = _OF_OTHER_PROVIDERS.union(REASONING_FIELDS).difference(names)
    kept = {name: value for name, value in message.items() if name not in left_out}
    if (text := _thinking_of(message)) and names:
        kept |= {name: _as_field(name, text) for name in names if not kept.get(name)}
    if not history.in_content:
        kept = _without_thinking_parts(kept)
    if calls := kept.get("tool_calls"):
        kept["tool_calls"] = [_call(call, history) for call in calls]
    return kept


def _without_thinking_parts(message: Message) -> Message:
    content = message.get("content")
    if not isinstance(content, list) or not any(map(_is_thinking, content)):
        return message
    rest = [part for part in content if not _is_thinking(part)]
    return {**message, "content": rest or (None if message.get("tool_calls") else "")}


def _call(call: Message, history: ThinkingHistory) -> Message:
    left_out = _OF_OTHER_PROVIDERS - ({"extra_content"} if history.signed_calls else set())
    return call if left_out.isdisjoint(call) else {name: call[name] for name in call if name not in left_out}


def _with_signature(calls: list[Message]) -> list[Message]:
    """The calls of a turn, of which the first has a signature: of several at once, Gemini signs that one alone."""
    first, *others = calls
    return calls if signature_of(first) else [{**first, "extra_content": as_extra_content(_UNSIGNED)}, *others]


def for_litellm(calls: list[Message]) -> list[Message]:
    """The calls with their signatures where LiteLLM looks for them; the same list where there are none."""
    if not any(call.get("extra_content") for call in calls):
        return calls
    moved = []
    for call in calls:
        rest = {name: value for name, value in call.items() if name != "extra_content"}
        signature = signature_of(call)
        moved.append(rest if signature is None else {**rest, "provider_specific_fields": {SIGNATURE: signature}})
    return moved


def _thinking_of(message: Mapping[str, Any]) -> str:
    """The text of an assistant's thinking, under whichever name a client has it."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(text := message.get(name), str) and text:
            return text
    for name, fields in (("reasoning_details", ("text", "summary")), ("thinking_blocks", ("thinking",))):
        if text := _joined(message.get(name), fields):
            return text
    content = message.get("content")
    parts = [part for part in content if _is_thinking(part)] if isinstance(content, list) else []
    return "".join(_joined(part.get("thinking"), ("text",)) or _text(part.get("thinking")) for part in parts)


def _joined(items: object, fields: tuple[str, ...]) -> str:
    if not isinstance(items, list):
        return ""
    return "".join(_text(item.get(name)) for item in items if isinstance(item, dict) for name in fields)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _as_field(name: str, text: str) -> Any:
    return [{"type": "reasoning.text", "text": text}] if name == "reasoning_details" else text


def _is_thinking(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "thinking"


def _has_tools(body: Mapping[str, Any]) -> bool:
    return bool(body.get("tools")) or any(message.get("tool_calls") for message in body["messages"])


def _is_switched_off(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    disabled = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    return disabled or body.get("reasoning_effort") == "none"


def _names_any(model: str, parts: tuple[str, ...]) -> bool:
    return any(part in model.lower() for part in parts)

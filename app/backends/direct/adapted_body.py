"""A body of chat completions as a provider takes it that is not quite like OpenAI, by its row's quirks. Pure."""

import json
from collections.abc import Callable
from typing import Any

from app.backends.direct.dropped_fields import without_fields
from app.providers import Quirks

_Body = dict[str, Any]
_Message = dict[str, Any]
_INSTRUCTIONS = ("system", "developer")


def adapted(body: _Body, quirks: Quirks, allowed: frozenset[str] = frozenset()) -> _Body:
    """`allowed`: fields that the operator knows the provider to take, whatever its row says."""
    if "max_tokens" in body or "max_completion_tokens" in body:
        body = _with_limit(body, quirks)
    if quirks.tool_choice:
        body = _with_choice(body, quirks)
    if quirks.temperature is not None:
        body = _with_temperature(body, quirks.temperature)
    if not quirks.json_schema:
        body = _with_format(body)
    body = _with_messages(body, quirks)
    if quirks.metadata_needs_store and not body.get("store"):
        body = without_fields(body, {"metadata"} - allowed)
    dropped = quirks.dropped
    if quirks.dropped_in_reasoning and _reasons(body):
        dropped |= quirks.dropped_in_reasoning
    if dropped:
        body = without_fields(body, dropped - allowed)
    if not quirks.renamed:
        return body
    renamed = dict(quirks.renamed)
    return {renamed.get(name, name): value for name, value in body.items()}


def _reasons(body: _Body) -> bool:
    return body.get("reasoning_effort") not in (None, "none")


def _with_limit(body: _Body, quirks: Quirks) -> _Body:
    """One limit of tokens, under the name that the provider takes; `max_completion_tokens` counts, as the newer one."""
    rest = {**body}
    newer, older = rest.pop("max_completion_tokens", None), rest.pop("max_tokens", None)
    limit = older if newer is None else newer
    if limit is None:
        return body
    rest["max_completion_tokens" if quirks.max_completion_tokens else "max_tokens"] = limit
    return rest


def _with_choice(body: _Body, quirks: Quirks) -> _Body:
    choice = body.get("tool_choice")
    words = dict(quirks.tool_choice)
    return {**body, "tool_choice": words[choice]} if isinstance(choice, str) and choice in words else body


def _with_temperature(body: _Body, bounds: tuple[float, float]) -> _Body:
    if (wanted := body.get("temperature")) is None:
        return body
    low, high = bounds
    return body if low <= wanted <= high else {**body, "temperature": min(max(wanted, low), high)}


def _with_format(body: _Body) -> _Body:
    """Where no schema is taken: JSON of any kind, and the schema as an instruction, behind the client's own."""
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": dict(wanted)}:
            schema = json.dumps(wanted.get("schema", {}), ensure_ascii=False)
            text = f"Answer with JSON alone, which fits this JSON schema:\n{schema}"
            messages = body["messages"]
            at = next((at for at, one in enumerate(messages) if one["role"] not in _INSTRUCTIONS), len(messages))
            messages = [*messages[:at], {"role": "system", "content": text}, *messages[at:]]
            return {**body, "messages": messages, "response_format": {"type": "json_object"}}
        case _:
            return body


def _with_messages(body: _Body, quirks: Quirks) -> _Body:
    messages = body["messages"]
    if not quirks.developer:
        for message in messages:
            if message.get("role") == "developer":
                messages = [_as_system(one) for one in messages]
                break
    if quirks.one_system_message:
        messages = _one_system(messages)
    if "messages[*].refusal" in quirks.dropped:
        messages = _each(messages, _with_refusal_as_content)
    if not quirks.text_parts:
        messages = _each(messages, _as_one_text)
    return body if messages is body["messages"] else {**body, "messages": messages}


def _each(messages: list[_Message], change: Callable[[_Message], _Message]) -> list[_Message]:
    changed = [change(message) for message in messages]
    return messages if all(new is old for new, old in zip(changed, messages, strict=True)) else changed


def _as_system(message: _Message) -> _Message:
    return {**message, "role": "system"} if message.get("role") == "developer" else message


def _with_refusal_as_content(message: _Message) -> _Message:
    """The message with a refusal that is all of it for its content."""
    refusal = message.get("refusal")
    return message if not refusal or message.get("content") else {**message, "content": refusal}


def _as_one_text(message: _Message) -> _Message:
    content = message.get("content")
    if not isinstance(content, list) or not all(part.get("type") == "text" for part in content):
        return message
    return {**message, "content": _text(content)}


def _one_system(messages: list[_Message]) -> list[_Message]:
    """Join the system messages at the beginning; one further down, which keeps its place, is the user's."""
    end = next((at for at, message in enumerate(messages) if message["role"] != "system"), len(messages))
    first, rest = messages[:end], messages[end:]
    if len(first) < 2 and not any(message["role"] == "system" for message in rest):
        return messages
    joined = [{**first[0], "content": "\n\n".join(_text(one.get("content")) for one in first)}] if first else []
    return [*joined, *({**one, "role": "user"} if one["role"] == "system" else one for one in rest)]


def _text(content: Any) -> str:
    """The text of content, which is a text, a list of parts or null."""
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""

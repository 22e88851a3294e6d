"""A provider's own choice in a stream that was changed before it: numbered anew, all else as it came. Pure.

The role goes out once; a call's id, type and name once; the reason to finish stays for the end. A call of which the
beginning was dropped is dropped too.
"""

from typing import Any

from app.dialects.openai_chat.choice_state import ChoiceState, Event
from app.messages import Choice, Message, ModelResponse, ToolCall


def matches(chunk: ModelResponse, event: Event) -> bool:
    """Whether the common form stands for the event thing by thing, so that one can be renumbered by the other."""
    choices = event.get("choices")
    if not isinstance(choices, list) or len(choices) != len(chunk.choices):
        return not choices and not chunk.choices
    return all(_choice_matches(choice, raw) for choice, raw in zip(chunk.choices, choices, strict=True))


def _choice_matches(choice: Choice, raw: Any) -> bool:
    if not isinstance(raw, dict) or raw.get("index", 0) != choice.index:
        return False
    delta = raw.get("delta")
    if not isinstance(delta, dict) or choice.delta is None:
        return False
    calls = delta.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return False
    return len(calls) == len(choice.delta.tool_calls) or (not calls and "function_call" in delta)


def renumbered_choice(own: Event, index: int, delta: Event, finish_reason: str | None) -> Event:
    # Some providers repeat in each chunk the message so far: what a policy has taken out of it would come back.
    rest = {name: value for name, value in own.items() if name != "message"}
    return {**rest, "index": index, "delta": delta, "finish_reason": finish_reason}


def renumbered_delta(state: ChoiceState, said: Message, raw: Event) -> Event:
    delta = {name: value for name, value in raw.items() if name != "role"}
    state.note(said)
    if delta.get("tool_calls"):
        placed = (_call(state, call, own) for call, own in zip(said.tool_calls, raw["tool_calls"], strict=True))
        delta["tool_calls"] = [call for call in placed if call is not None]
        if not delta["tool_calls"]:
            del delta["tool_calls"]
    else:
        for call in said.tool_calls:
            state.calls.place(call)
    return delta


def says_something(delta: Event) -> bool:
    return any(value or value is False for value in delta.values())


def _call(state: ChoiceState, call: ToolCall, own: Event) -> Event | None:
    piece = state.calls.place(call)
    if piece is None:
        return None
    kind, field = ("custom", "input") if call.type == "custom" else ("function", "arguments")
    body = own.get(kind)
    body = dict(body) if isinstance(body, dict) else {}
    if piece.call is not None:
        begun = {**body, "name": call.function.name, field: piece.arguments}
        return {**own, "index": piece.position, "id": piece.call.id, "type": kind, kind: begun}
    body.pop("name", None)
    rest = {name: value for name, value in own.items() if name not in ("id", "type")}
    return {**rest, "index": piece.position, kind: {**body, field: piece.arguments}}

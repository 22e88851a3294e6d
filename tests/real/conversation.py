"""A long conversation of the kind that agents hold, which loses the provider's prompt cache at every other turn."""

from collections import Counter
from typing import Any

from app.demo.clients.calls import Api, Call, use_tool
from app.demo.gateway.scenario import PLAIN

MODEL = "agent"
_TURNS = 12
_TASK = PLAIN * 30
"""Long enough for a provider to keep it, and for the gateway to compare it."""


class Conversations:
    """Each call is the next turn of a conversation in its API, and after twelve turns the first of another one.

    At every other turn the system prompt has another time in it, and at each third of these there are other tools: then
    nothing that the provider keeps is read. The turn in between reads it, for some APIs tell of a cache by that alone.
    Every API has tasks of its own, or one would read what another had written.
    """

    def __init__(self) -> None:
        self._calls: Counter[Api] = Counter()

    def __call__(self, api: Api) -> Call:
        conversation, turn = divmod(self._calls[api], _TURNS)
        self._calls[api] += 1
        changes = turn // 2
        system = f"You are an agent. It is {10 + changes - changes // 3}:00."
        tools = use_tool(api).body["tools"] if changes // 3 % 2 else []
        messages = [{"role": "user", "content": f"Task {conversation} of {api}. {_TASK}"}]
        for step in range(turn):
            messages += [{"role": "assistant", "content": f"Done {step}."}, {"role": "user", "content": "Go on."}]
        return Call("agent", api, _body(api, system, messages) | ({"tools": tools} if tools else {}))


def _body(api: Api, system: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": MODEL, "stream": True}
    match api:
        case "openai_chat":
            return {**body, "messages": [{"role": "system", "content": system}, *messages]}
        case "anthropic_messages":
            return {**body, "system": system, "messages": messages, "max_tokens": 1000}
        case "openai_responses":
            return {**body, "instructions": system, "input": messages}

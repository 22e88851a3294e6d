"""What the demo's clients ask: requests in every dialect, how their answers are read, and what has to come of them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from app.demo.gateway.scenario import ARCHIVE, CONTACTS, PLAIN, THOUGHT

Api = Literal["openai_chat", "anthropic_messages", "openai_responses"]
APIS: tuple[Api, ...] = ("openai_chat", "anthropic_messages", "openai_responses")
PATHS: dict[Api, str] = {
    "openai_chat": "/v1/chat/completions",
    "anthropic_messages": "/v1/messages",
    "openai_responses": "/v1/responses",
}


@dataclass(frozen=True)
class Steady:
    """Reads as fast as it comes."""


@dataclass(frozen=True)
class Slow:
    """Pauses before each read and takes little, with small buffers; after `slow_bytes` bytes it reads as it comes."""

    pause: float
    take: int = 2_500
    slow_bytes: int = 250_000


@dataclass(frozen=True)
class Stuck:
    """Reads nothing for so many seconds, with small buffers, and then all that is left."""

    seconds: float


@dataclass(frozen=True)
class Leaves:
    """Hangs up after so many events."""

    after: int


Reader = Steady | Slow | Stuck | Leaves


@dataclass(frozen=True)
class Call:
    """`title` names the kind; an empty `text` or `thinking` is one that nothing is expected of."""

    title: str
    api: Api
    body: dict[str, Any]
    reader: Reader = field(default_factory=Steady)
    text: str = ""
    thinking: str = ""

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))


def talk(api: Api, stream: bool = True) -> Call:
    return Call("chat", api, _body(api, "chat", "What is a stream?", stream), text=PLAIN)


def think(api: Api, stream: bool = True) -> Call:
    return Call("thinking", api, _body(api, "thinker", "Think it over.", stream), text=PLAIN, thinking=THOUGHT)


def use_tool(api: Api, stream: bool = True) -> Call:
    body = _body(api, "tools", "What will the weather be?", stream)
    return Call("tool call", api, {**body, "tools": [_tool(api)]})


def contacts(api: Api, stream: bool = True) -> Call:
    return Call("redacted", api, _body(api, "contacts", "Whom do I ask?", stream), text=CONTACTS)


def slow(api: Api, pause: float = 0.05) -> Call:
    return Call("slow reader", api, _body(api, "archive", "Read it all to me.", True), Slow(pause), text=ARCHIVE)


def stuck(api: Api, seconds: float) -> Call:
    """A client that reads nothing for longer than the gateway waits for it."""
    return Call("stuck reader", api, _body(api, "archive", "Read it all to me.", True), Stuck(seconds))


def leave(api: Api, after: int = 8) -> Call:
    return Call("leaves", api, _body(api, "chat", "Never mind.", True), Leaves(after))


def bad(api: Api) -> Call:
    body = _body(api, "chat", "", False)
    return Call("bad request", api, {**body, _conversation(api): 5})


def unknown(api: Api) -> Call:
    return Call("unknown model", api, _body(api, "no-such-model", "Anybody there?", False))


def flaky(api: Api, stream: bool = True) -> Call:
    return Call("failing", api, _body(api, "flaky", "Are you well?", stream), text=PLAIN)


def fragile(api: Api) -> Call:
    return Call("fallback", api, _body(api, "fragile", "Anyone else?", True), text=PLAIN)


def down(api: Api) -> Call:
    return Call("down", api, _body(api, "down", "Hello?", False))


def severed(api: Api) -> Call:
    return Call("cut upstream", api, _body(api, "severed", "Tell me all.", True))


def _body(api: Api, model: str, prompt: str, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    body: dict[str, Any] = {"model": model, _conversation(api): messages, "stream": stream}
    return {**body, "max_tokens": 100_000} if api == "anthropic_messages" else body


def _conversation(api: Api) -> str:
    return "input" if api == "openai_responses" else "messages"


def _tool(api: Api) -> dict[str, Any]:
    about = {"name": "forecast", "description": "The weather at a place."}
    schema = {
        "type": "object",
        "properties": {"place": {"type": "string"}, "days": {"type": "integer"}, "notify": {"format": "email"}},
        "required": ["place", "days", "notify"],
    }
    if api == "anthropic_messages":
        return {**about, "input_schema": schema}
    if api == "openai_responses":
        return {"type": "function", **about, "parameters": schema}
    return {"type": "function", "function": {**about, "parameters": schema}}

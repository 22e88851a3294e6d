"""A recorded request's body as the conversation that it is: messages, tools and parameters. Pure."""

from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct

from app.dialects import DIALECTS
from app.errors import GatewayError
from app.messages import Dialect, InputMessage, ToolDefinition
from app.recorder.recording import Body
from app.transcripts.server_events import json_in

_CONVERSATION = frozenset(
    {"messages", "input", "instructions", "system", "tools", "functions", "prompt", "suffix", "output"}
)
"""Fields that messages and tools are read from; all others are parameters."""
_ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
"""Errors that a decoder raises for a body that nobody has checked."""


class ReadRequest(Struct, frozen=True, kw_only=True):
    """A request as it reads. `note` says why it could not be read, or not wholly; then `messages` may be empty."""

    messages: tuple[InputMessage, ...] = ()
    """The system prompt among them, in their order."""
    tools: tuple[ToolDefinition, ...] = ()
    parameters: Mapping[str, Any] = {}
    """All other fields of the body, the model first."""
    note: str | None = None

    @property
    def system(self) -> tuple[InputMessage, ...]:
        """The messages before the first one of another role than `system` and `developer`."""
        return self.messages[: self.first_turn]

    @property
    def first_turn(self) -> int:
        """How many messages are the system prompt."""
        for at, message in enumerate(self.messages):
            if message.role not in ("system", "developer"):
                return at
        return len(self.messages)


def dialect_in(body: Mapping[str, Any], url: str = "") -> Dialect:
    """The API that a body was probably written for, where only its address is known besides."""
    if url.endswith("/messages") or "anthropic_version" in body:
        return "anthropic_messages"
    if "messages" in body:
        system = body.get("system")
        return "anthropic_messages" if isinstance(system, list | str) else "openai_chat"
    if "prompt" in body and "input" not in body:
        return "openai_completions"
    return "openai_embeddings" if url.endswith("/embeddings") else "openai_responses"


def read_request(api: str | None, body: Body, url: str = "") -> ReadRequest:
    """Read a body of the client's API, or with None one for the provider at `url`."""
    if not body.data:
        return ReadRequest(note="Nothing of the body was recorded." if body.size else "It came without a body.")
    value = json_in(body.data)
    if not isinstance(value, dict):
        return ReadRequest(note=_cut(body) or "The body is not a JSON object.")
    dialect = DIALECTS.get(cast(Dialect, api or dialect_in(value, url)))
    if dialect is None:
        return ReadRequest(parameters=value, note=None)
    parameters = {name: field for name, field in value.items() if name not in _CONVERSATION}
    try:
        request = dialect.decode_request(value, dict(body.headers))
    except GatewayError as error:
        return ReadRequest(parameters=parameters, note=f"The body breaks the rules of its API: {error}")
    except _ODD as error:
        return ReadRequest(parameters=parameters, note=f"The body could not be read ({type(error).__name__}).")
    try:
        messages = tuple([message for _, message in dialect.conversation(request)])
    except GatewayError:
        messages = request.messages
    return ReadRequest(messages=messages, tools=request.tools, parameters=parameters, note=_cut(body))


def _cut(body: Body) -> str | None:
    if body.size <= len(body.data):
        return None
    return f"Only {len(body.data):,} of the body's {body.size:,} bytes were recorded."

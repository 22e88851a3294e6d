"""What telemetry reads of a chunk or a whole response, as protocols; the gateway's common form fulfils them."""

from collections.abc import Sequence
from typing import Protocol


class Function(Protocol):
    @property
    def name(self) -> str | None: ...
    @property
    def arguments(self) -> str: ...


class ToolCall(Protocol):
    @property
    def index(self) -> int: ...
    @property
    def id(self) -> str | None: ...
    @property
    def function(self) -> Function: ...


class Message(Protocol):
    @property
    def content(self) -> str | None: ...
    @property
    def refusal(self) -> str | None: ...
    @property
    def reasoning_content(self) -> str | None: ...
    @property
    def thinking_blocks(self) -> Sequence[object]: ...
    @property
    def tool_calls(self) -> Sequence[ToolCall]: ...


class Choice(Protocol):
    @property
    def index(self) -> int: ...
    @property
    def delta(self) -> Message | None: ...
    @property
    def message(self) -> Message | None: ...
    @property
    def finish_reason(self) -> str | None: ...


class Chunk(Protocol):
    @property
    def choices(self) -> Sequence[Choice]: ...


def is_substantial(chunk: Chunk) -> bool:
    """Whether a chunk holds a piece of the answer, and not only a role or a ping: what TTFT waits for."""
    return any(choice.finish_reason or _has_content(choice.delta or choice.message) for choice in chunk.choices)


def _has_content(message: Message | None) -> bool:
    return message is not None and bool(
        message.content or message.refusal or message.reasoning_content or message.tool_calls or message.thinking_blocks
    )

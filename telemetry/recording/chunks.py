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
    for choice in chunk.choices:
        one = choice.delta or choice.message
        if choice.finish_reason:
            return True
        if one is not None and (
            one.content or one.tool_calls or one.reasoning_content or one.refusal or one.thinking_blocks
        ):
            return True
    return False

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


class Usage(Protocol):
    """The tokens of a response. `prompt_tokens` includes those read from or written to a cache."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def cache_read_input_tokens(self) -> int: ...
    @property
    def cache_creation_input_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...


class Cost(Protocol):
    """Prices of a model, in US dollars per token."""

    @property
    def input(self) -> float: ...
    @property
    def output(self) -> float: ...
    @property
    def cache_read(self) -> float | None: ...
    @property
    def cache_creation(self) -> float | None: ...


def dollars(usage: Usage, cost: Cost) -> float:
    """The price of a response in US dollars. Cached tokens without a price of their own cost what any input does."""
    read, created = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    fresh = max(0, usage.prompt_tokens - read - created)
    read_price = cost.input if cost.cache_read is None else cost.cache_read
    creation_price = cost.input if cost.cache_creation is None else cost.cache_creation
    return fresh * cost.input + read * read_price + created * creation_price + usage.completion_tokens * cost.output


def is_substantial(chunk: Chunk) -> bool:
    """Whether a chunk holds a piece of the answer, and not only a role or a ping: what TTFT waits for."""
    return any(choice.finish_reason or _has_content(choice.delta or choice.message) for choice in chunk.choices)


def _has_content(message: Message | None) -> bool:
    return message is not None and bool(
        message.content or message.refusal or message.reasoning_content or message.tool_calls or message.thinking_blocks
    )

"""Replaces e-mail addresses, telephone and card numbers, keys and an operator's own patterns, both ways.

In requests: every text that the model would read. In responses: text, thinking and the arguments of tool calls,
streamed or not. A stream is held back only by what could still become a match.
"""

import asyncio
from typing import Literal

from msgspec.structs import replace

from app.messages import Function, Request, ToolCall
from app.policies.base import HOOKS, OptionError, Policy
from app.policies.builtin.json_redactor import JsonRedactor, redact_json
from app.policies.builtin.patterns import BUILTIN, BUILTIN_NAMES, BuiltinName, UnfitPattern, own_pattern
from app.policies.builtin.stream_redactor import Detector, Redaction, StreamRedactor, redact
from app.policies.context import PolicyContext, StreamContext

Side = Literal["requests", "responses"]

_SEARCH_SECONDS = 0.25
_MAX_LENGTH = 65_536
_AT_ONCE = 16_384
"""Characters of a request up to which it is searched in the event loop; a larger one would hold up other streams."""


class Redact(Policy):
    """`custom` has regular expressions by name; `max_length` is how many characters a match of theirs may have."""

    name = "redact"

    def __init__(
        self,
        *,
        patterns: tuple[BuiltinName, ...] = BUILTIN_NAMES,
        custom: dict[str, str] | None = None,
        replacement: str = "[{name}]",
        apply_to: tuple[Side, ...] = ("requests", "responses"),
        max_length: int = 256,
    ) -> None:
        if not 1 <= max_length <= _MAX_LENGTH:
            raise OptionError("max_length", f"expected 1 to {_MAX_LENGTH} characters")
        if not patterns and not custom:
            raise OptionError("patterns", "nothing to look for: no patterns and no custom ones")
        if not apply_to:
            raise OptionError("apply_to", "expected requests, responses, or both")
        chosen = [BUILTIN[name] for name in BUILTIN_NAMES if name in patterns]
        for name, expression in (custom or {}).items():
            try:
                chosen.append(own_pattern(name, expression, max_length, _SEARCH_SECONDS))
            except UnfitPattern as error:
                raise OptionError("custom", str(error), (name,)) from error
        self._detector = Detector(
            Redaction(pattern, replacement.replace("{name}", pattern.name.upper())) for pattern in chosen
        )
        if "requests" not in apply_to:
            self.unused_hooks = frozenset({"on_request"})
        if "responses" not in apply_to:
            self.unused_hooks = frozenset(HOOKS) - {"on_request"}

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        if _size(request) <= _AT_ONCE:
            return self._redact_request(request)
        return await asyncio.to_thread(self._redact_request, request)

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(self._blocks(ctx).content(ctx.choice).feed(text))

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        redactor = self._blocks(ctx).content(ctx.choice)
        await ctx.emit_text(redactor.flush())
        _note(redactor, ctx)

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        await ctx.emit_thinking(self._blocks(ctx).thinking(ctx.choice).feed(thinking))

    async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
        redactor = self._blocks(ctx).thinking(ctx.choice)
        await ctx.emit_thinking(redactor.flush())
        _note(redactor, ctx)

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        arguments = self._blocks(ctx).call(ctx.choice, call.index).feed(call.function.arguments)
        if arguments or call.id or call.function.name:
            await ctx.emit_tool_call(replace(call, function=Function(call.function.name, arguments)))

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        redactor = self._blocks(ctx).call(ctx.choice, call.index)
        if rest := redactor.flush():
            await ctx.emit_tool_call(ToolCall(call.index, function=Function(arguments=rest)))
        _note(redactor, ctx)

    def _redact_request(self, request: Request) -> Request:
        return request.map_text(
            lambda text: redact(text, self._detector), lambda text: redact_json(text, self._detector)
        )

    def _blocks(self, ctx: StreamContext) -> "_Blocks":
        return ctx.policy.state(self, lambda: _Blocks(self._detector))


class _Blocks:
    """The redactors of one response: blocks of a kind follow each other, tool calls interleave."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._texts: dict[tuple[int, str], StreamRedactor] = {}
        self._calls: dict[tuple[int, int], JsonRedactor] = {}

    def content(self, choice: int) -> StreamRedactor:
        return self._text(choice, "content")

    def thinking(self, choice: int) -> StreamRedactor:
        return self._text(choice, "thinking")

    def call(self, choice: int, index: int) -> JsonRedactor:
        found = self._calls.get((choice, index))
        if found is None:
            found = self._calls[choice, index] = JsonRedactor(self._detector)
        return found

    def _text(self, choice: int, kind: str) -> StreamRedactor:
        found = self._texts.get((choice, kind))
        if found is None:
            found = self._texts[choice, kind] = StreamRedactor(self._detector)
        return found


def _size(request: Request) -> int:
    sizes: list[int] = []

    def measure(text: str) -> str:
        sizes.append(len(text))
        return text

    request.map_text(measure)
    return sum(sizes)


def _note(redactor: StreamRedactor | JsonRedactor, ctx: StreamContext) -> None:
    if redactor.take_replaced():
        ctx.decide("redacted")

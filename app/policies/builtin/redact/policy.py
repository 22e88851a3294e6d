"""Replaces e-mail addresses, telephone and card numbers, keys and an operator's own patterns, both ways.

Every text is searched, in requests and in responses, streamed or not; which fields hold text is in `app.text_fields`. A
stream is held back only by what could still become a match.
"""

import re
from typing import Literal

from msgspec.structs import replace

from app.messages import Function, Request, ToolCall
from app.policies.base import HOOKS, OptionError, Policy
from app.policies.builtin.redact.held_events import HeldEvents
from app.policies.builtin.redact.json_redactor import JsonRedactor
from app.policies.builtin.redact.patterns import BUILTIN, BUILTIN_NAMES, BuiltinName, UnfitPattern, custom_pattern
from app.policies.builtin.redact.slice_scheduler import INLINE_LIMIT, SlicedWork, SliceScheduler, feed, run_now
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, StreamRedactor
from app.policies.context import PolicyContext, StreamContext
from app.text_fields import Opaque
from app.time_slices import cost_of

Side = Literal["requests", "responses"]
_Text = tuple[str, bool]
"""A text, and whether it is JSON."""

_SEARCH_SECONDS = 0.25
_MAX_LENGTH = 65_536
_ESCAPED = re.compile(r"(?<!\\)\\++u00([2-7][0-9a-fA-F])")


class Redact(Policy):
    """`custom` has regular expressions by name; `max_length` is how many characters a match of theirs may have.
    `opaque`: what becomes of data that cannot be searched, such as images."""

    name = "redact"
    conceals = True

    def __init__(
        self,
        *,
        patterns: tuple[BuiltinName, ...] = BUILTIN_NAMES,
        custom: dict[str, str] | None = None,
        replacement: str = "[{name}]",
        apply_to: tuple[Side, ...] = ("requests", "responses"),
        max_length: int = 256,
        opaque: Opaque = "pass",
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
                chosen.append(custom_pattern(name, expression, max_length, _SEARCH_SECONDS))
            except UnfitPattern as error:
                raise OptionError("custom", str(error), (name,)) from error
        self._detector = Detector(
            Redaction(pattern, replacement.replace("{name}", pattern.name.upper())) for pattern in chosen
        )
        self.opaque = opaque
        self._scheduler = SliceScheduler(threaded=bool(custom))
        if "requests" not in apply_to:
            self.unused_hooks = frozenset({"on_request"})
        if "responses" not in apply_to:
            self.unused_hooks = frozenset(HOOKS) - {"on_request"}

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        redacted: dict[_Text, str] = {}
        changed, missing = await ctx.bodies.work(request.size, _with_redacted, request, redacted)
        # Where a request holds its texts in two forms, the second is looked at only after the first has changed.
        while missing:
            work = self._redact_each(missing, redacted)
            if sum(cost_of(text) for text, _ in missing) <= INLINE_LIMIT:
                run_now(work)
            else:
                await self._scheduler.run(work)
            if changed is request and all(redacted[one] == one[0] for one in missing):
                return request
            changed, missing = await ctx.bodies.work(request.size, _with_redacted, request, redacted)
        if changed is not request:
            ctx.decide("redacted")
        return changed

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        held = ctx.policy.state(self, self._new_blocks).text(ctx.choice, "content")
        small = len(text) <= INLINE_LIMIT
        pieces = held.redactor.pieces(text) if small else await self._scheduler.pieces(held.redactor, text)
        for one in held.take(ctx.chunk, text, pieces):
            await (ctx.emit_text(one) if isinstance(one, str) else ctx.emit(one))

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        held = ctx.policy.state(self, self._new_blocks).text(ctx.choice, "content")
        for one in held.flush():
            await (ctx.emit_text(one) if isinstance(one, str) else ctx.emit(one))
        _note(held.redactor, ctx)

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        held = ctx.policy.state(self, self._new_blocks).text(ctx.choice, "thinking")
        small = len(thinking) <= INLINE_LIMIT
        pieces = held.redactor.pieces(thinking) if small else await self._scheduler.pieces(held.redactor, thinking)
        for one in held.take(ctx.chunk, thinking, pieces):
            await (ctx.emit_thinking(one) if isinstance(one, str) else ctx.emit(one))

    async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
        held = ctx.policy.state(self, self._new_blocks).text(ctx.choice, "thinking")
        for one in held.flush():
            await (ctx.emit_thinking(one) if isinstance(one, str) else ctx.emit(one))
        _note(held.redactor, ctx)

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        redactor = ctx.policy.state(self, self._new_blocks).call(ctx.choice, call)
        arguments = await self._scheduler.feed(redactor, call.function.arguments)
        if arguments or call.id or call.function.name:
            await ctx.emit_tool_call(replace(call, function=Function(call.function.name, arguments)))

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        redactor = ctx.policy.state(self, self._new_blocks).call(ctx.choice, call)
        if rest := redactor.flush():
            await ctx.emit_tool_call(ToolCall(call.index, type=call.type, function=Function(arguments=rest)))
        _note(redactor, ctx)

    async def on_other_text(self, text: str, ctx: StreamContext) -> str:
        work = self._redact(text)
        changed = run_now(work) if len(text) <= INLINE_LIMIT else await self._scheduler.run(work)
        if changed != text:
            ctx.decide("redacted")
        return changed

    def _redact_each(self, texts: list[_Text], redacted: dict[_Text, str]) -> SlicedWork[None]:
        for text, is_json in texts:
            redacted[text, is_json] = yield from self._redact(text, is_json)

    def _redact(self, text: str, is_json: bool = False) -> SlicedWork[str]:
        """Search a text twice if it has escapes (`\\u0040`): as it is, and with them decoded, however deeply they are
        nested, as a reader of the JSON within would see it. The second result counts only if it finds more."""
        changed = yield from self._search(text, is_json)
        if "\\u00" not in changed:
            return changed
        plain = _ESCAPED.sub(_unescaped, changed)
        again = yield from self._search(plain, is_json)
        return changed if again == plain else again

    def _search(self, text: str, is_json: bool) -> SlicedWork[str]:
        redactor = JsonRedactor(self._detector) if is_json else StreamRedactor(self._detector)
        redacted = yield from feed(redactor, text)
        return redacted + redactor.flush()

    def _new_blocks(self) -> "_Blocks":
        return _Blocks(self._detector)


class _Blocks:
    """The redactors of one response: one per kind of text, as such blocks follow each other, and one per tool call."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._texts: dict[tuple[int, str], HeldEvents] = {}
        self._calls: dict[tuple[int, int], JsonRedactor | StreamRedactor] = {}

    def text(self, choice: int, kind: Literal["content", "thinking"]) -> HeldEvents:
        found = self._texts.get((choice, kind))
        if found is None:
            found = self._texts[choice, kind] = HeldEvents(StreamRedactor(self._detector))
        return found

    def call(self, choice: int, call: ToolCall) -> JsonRedactor | StreamRedactor:
        """What a custom tool is called with is plain text."""
        found = self._calls.get((choice, call.index))
        if found is None:
            made = StreamRedactor if call.type == "custom" else JsonRedactor
            found = self._calls[choice, call.index] = made(self._detector)
        return found


def _with_redacted(request: Request, redacted: dict[_Text, str]) -> tuple[Request, list[_Text]]:
    """The request with the texts that are known, and those that are not redacted yet, each once."""
    missing: dict[_Text, None] = {}

    def known(text: str, is_json: bool = False) -> str:
        if (text, is_json) not in redacted:
            missing[text, is_json] = None
            return text
        return redacted[text, is_json]

    changed = request.map_text(known, lambda text: known(text, is_json=True))
    return changed, list(missing)


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    # Quotes and backslashes make the structure of the JSON around.
    return escape[0] if character in '"\\\x7f' else character


def _note(redactor: StreamRedactor | JsonRedactor, ctx: StreamContext) -> None:
    if redactor.take_replaced():
        ctx.decide("redacted")

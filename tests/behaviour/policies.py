"""Policies of the tests: each does one bad or one useful thing, in the hook that its option names."""

import asyncio
import threading
import time
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from app.errors import PolicyBlocked
from app.messages import InputMessage, ModelResponse, Request, TextPart, ToolCall
from app.policies import HOOKS, Hook, Policy, PolicyContext, StreamContext
from app.text_fields import TextMap


class InHook(Policy):
    """`act` in one hook, and nothing in the others: they are as if not overridden."""

    def __init__(self, *, hook: Hook) -> None:
        self.unused_hooks = frozenset(HOOKS) - {hook}

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        raise NotImplementedError

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        await self.act(ctx)
        return request

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        await self.act(ctx)
        return response

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit(chunk)

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_text(text)

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_text(text)

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_thinking(thinking)

    async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_thinking(thinking)

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_tool_call(call)

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_tool_call(call)

    async def on_finish_reason(self, reason: str, ctx: StreamContext) -> None:
        await self.act(ctx)
        await ctx.emit_finish(reason)

    async def on_stream_complete(self, ctx: StreamContext) -> None:
        await self.act(ctx)


class Sees(Policy):
    """Notes the texts of the last request."""

    texts: ClassVar[list[str]] = []

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        self.texts.clear()
        request.map_text(self._note)
        return request

    def _note(self, text: str) -> str:
        self.texts.append(text)
        return text


class Looks(Policy):
    """Reads everything and changes nothing: a request's texts, and each delta of an answer, which it emits again."""

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        return request.map_text(str)

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(text)

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        await ctx.emit_thinking(thinking)

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        await ctx.emit_tool_call(call)

    async def on_finish_reason(self, reason: str, ctx: StreamContext) -> None:
        await ctx.emit_finish(reason)


class CountsTasks(Policy):
    """How many there were on the gateway's loop at the last request."""

    tasks: ClassVar[int] = 0

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        CountsTasks.tasks = len(asyncio.all_tasks())
        return request


class Raises(InHook):
    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        raise ValueError("canary-of-the-policy")


class Blocks(InHook):
    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        raise PolicyBlocked("This is not allowed here.")


class Hangs(InHook):
    """`entered` is set while a hook hangs."""

    entered: ClassVar[threading.Event] = threading.Event()

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        self.entered.set()
        await asyncio.Event().wait()


class BlocksAThread(InHook):
    """For ever. The file `mark` is there once it does."""

    def __init__(self, *, hook: Hook, mark: str) -> None:
        super().__init__(hook=hook)
        self._mark = Path(mark)

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        await asyncio.to_thread(self._block)

    def _block(self) -> None:
        self._mark.touch()
        threading.Event().wait()


class BlocksTheLoop(InHook):
    """Once: what comes after goes through at once."""

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        scratchpad = ctx.scratchpad if isinstance(ctx, PolicyContext) else ctx.policy.scratchpad
        if "blocked" not in scratchpad:
            scratchpad["blocked"] = True
            time.sleep(0.4)  # noqa: ASYNC251 - a policy that does what it must not is the point


class SwallowsEverything(InHook):
    """Catches what nobody should catch, its own cancellation included."""

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        try:
            await asyncio.Event().wait()
        except BaseException:
            return


class LeavesSlowly(InHook):
    """Takes its time when it is cancelled, on requests to `echo`."""

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        request = ctx.request if isinstance(ctx, PolicyContext) else ctx.policy.request
        if request.model == "echo":
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.8)


class Floods(InHook):
    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        while not isinstance(ctx, PolicyContext):
            await ctx.emit_text("flood ")


class Drops(Policy):
    """Emits nothing, of any kind."""

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None: ...

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None: ...

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None: ...

    async def on_finish_reason(self, reason: str, ctx: StreamContext) -> None: ...


class DropsChunks(Policy):
    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None: ...


class Inserts(Policy):
    """Text before and after, and a call of its own."""

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(f"<{text}>")

    async def on_stream_complete(self, ctx: StreamContext) -> None:
        await ctx.emit_text(" P.S.")
        await ctx.emit_new_tool_call("audit", '{"level": 1}', "call_of_the_policy")


class Shouts(Policy):
    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(text.upper())


class Dates(Policy):
    """Puts the number of the request, as another would the date, in front of what is asked of the model `dated`."""

    requests: ClassVar[int] = 0

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        if request.model != "dated":
            return request
        Dates.requests += 1
        dated = InputMessage("system", (TextPart(f"This is request {Dates.requests}."),))
        return replace(request, messages=(dated, *request.messages))


class Forbids(Policy):
    """Refuses requests and whole responses with a word."""

    def __init__(self, *, word: str) -> None:
        self._word = word

    def _check(self, text: str) -> str:
        if self._word in text:
            raise PolicyBlocked("This is not said here.")
        return text

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        return request.map_text(self._check)

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        return TextMap(self._check).apply(response)

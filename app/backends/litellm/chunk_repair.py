"""What LiteLLM loses of a stream, noted before and put back after it.

A `_ChunkListener` between the provider and LiteLLM hands every chunk on unchanged and notes `ChunkFacts`; `ChunkRepair`
mends the chunks that come out of LiteLLM by them, and is pure:

- Calls of a provider's own tools (`server_tool_use`) look like calls for the client, which might run them: they are
  removed, and the others renumbered.
- With several choices the finish reasons collapse into one: each choice gets its own back.
- Refusals are lost: they are put back before the chunk that follows them.
- The model's name becomes the deployment's: it is the provider's again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from app.dialects.finish_reasons import graver
from app.messages import Choice, Message, ModelResponse, ToolCall

_SERVER_CALL = "srvtoolu_"
"""The beginning of the ids of Anthropic's calls of its own tools."""


@dataclass
class ChunkFacts:
    """Facts of the provider's chunks so far; empty where its stream cannot be listened to."""

    choices: set[int] = field(default_factory=set)
    finish_reasons: dict[int, str] = field(default_factory=dict)
    """Finish reasons by choice."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Choice and piece of text of refusals that have not been put back yet."""
    model: str = ""
    reported: bool = False
    """Whether the provider reported usage; LiteLLM estimates it where it did not."""
    usage: Any = None
    """The last usage that was reported and not yet taken."""

    def take_usage(self) -> Any:
        """The last reported usage, once."""
        taken, self.usage = self.usage, None
        return taken

    def note(self, chunk: Any) -> None:
        if isinstance(chunk, dict):
            self._note_generic(chunk)
            return
        self._note_usage(getattr(chunk, "usage", None))
        self.model = getattr(chunk, "model", None) or self.model
        for choice in getattr(chunk, "choices", None) or ():
            index = getattr(choice, "index", 0) or 0
            self.choices.add(index)
            if reason := getattr(choice, "finish_reason", None):
                self._note_reason(index, reason)
            if refusal := getattr(getattr(choice, "delta", None), "refusal", None):
                self.refusals.append((index, refusal))

    def _note_generic(self, chunk: dict[str, Any]) -> None:
        """Note a chunk in LiteLLM's plain form, which the parsers of some providers make."""
        self._note_usage(chunk.get("usage"))
        self.choices.add(0)
        if reason := chunk.get("finish_reason"):
            self._note_reason(0, reason)

    def _note_reason(self, index: int, reason: str) -> None:
        self.finish_reasons[index] = graver(self.finish_reasons.get(index), reason)

    def _note_usage(self, usage: Any) -> None:
        if usage:
            self.usage = usage
            self.reported = True


class _ChunkListener:
    """An asynchronous stream of chunks that notes facts of each in `facts`."""

    def __init__(self, source: Any, facts: ChunkFacts) -> None:
        self._source = source
        self._chunks: AsyncIterator[Any] = aiter(source)
        self._facts = facts

    def __aiter__(self) -> "_ChunkListener":
        return self

    async def __anext__(self) -> Any:
        chunk = await anext(self._chunks)
        self._facts.note(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the source. SDKs and LiteLLM's parsers have two names for that, and some parsers have none."""
        close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if close is None:
            await self._cancel_reading()
        elif (closing := close()) is not None:
            await closing

    async def _cancel_reading(self) -> None:
        """Close a parser's connection by cancelling a read, and begin one for that if it was never read."""
        reading = asyncio.create_task(self._read_all())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})

    async def _read_all(self) -> None:
        with suppress(Exception):
            async for _ in self._chunks:
                pass


def listen_to(wrapper: Any) -> ChunkFacts:
    """Put a listener into LiteLLM's stream wrapper, if the provider's stream in it is a plain asynchronous one."""
    facts = ChunkFacts()
    source = getattr(wrapper, "completion_stream", None)
    if source is not None and hasattr(source, "__aiter__"):
        wrapper.completion_stream = _ChunkListener(source, facts)
    return facts


class ChunkRepair:
    """Mends one stream: `feed` each chunk, then `finish`."""

    def __init__(self, facts: ChunkFacts) -> None:
        self._facts = facts
        self._last = ModelResponse()
        self._finished: set[int] = set()
        self._server_calls: set[tuple[int, int]] = set()
        self._indexes: dict[tuple[int, int], int] = {}

    def feed(self, chunk: ModelResponse) -> Iterator[ModelResponse]:
        if self._facts.model and chunk.model != self._facts.model:
            chunk = replace(chunk, model=self._facts.model)
        self._last = replace(chunk, choices=(), usage=None)
        yield from self._refusals()
        if not chunk.choices:
            yield from self._finishes()
            yield chunk
            return
        chunk = self._with_reasons(chunk)
        kept = tuple(mended for choice in chunk.choices if (mended := self._without_server_calls(choice)))
        if len(self._facts.choices) > 1 and any(choice.finish_reason for choice in kept):
            kept = tuple(choice for choice in kept if not choice.finish_reason)
            yield from self._finishes()
        if kept or chunk.usage:
            yield chunk if kept == chunk.choices else replace(chunk, choices=kept)

    def finish(self) -> Iterator[ModelResponse]:
        yield from self._refusals()
        yield from self._finishes()

    def _refusals(self) -> Iterator[ModelResponse]:
        refusals, self._facts.refusals[:] = list(self._facts.refusals), []
        for index, text in refusals:
            yield replace(self._last, choices=(Choice(index=index, delta=Message(refusal=text)),))

    def _finishes(self) -> Iterator[ModelResponse]:
        """Chunks for the ends of choices, if there are several. LiteLLM reports the end of a single choice itself."""
        if len(self._facts.choices) < 2:
            return
        for index, reason in sorted(self._facts.finish_reasons.items()):
            if index not in self._finished:
                self._finished.add(index)
                ended = Choice(index=index, delta=Message(), finish_reason=reason)
                yield replace(self._last, choices=(ended,))

    def _with_reasons(self, chunk: ModelResponse) -> ModelResponse:
        """The chunk with the provider's own words for its end, of several the gravest. LiteLLM's stay where they say
        more: that there were tool calls."""
        if not any(choice.finish_reason for choice in chunk.choices):
            return chunk
        choices = tuple(map(self._with_reason, chunk.choices))
        return chunk if choices == chunk.choices else replace(chunk, choices=choices)

    def _with_reason(self, choice: Choice) -> Choice:
        given = self._facts.finish_reasons.get(choice.index)
        if choice.finish_reason is None or given is None:
            return choice
        return replace(choice, finish_reason=graver(given, choice.finish_reason))

    def _without_server_calls(self, choice: Choice) -> Choice | None:
        if choice.delta is None or not choice.delta.tool_calls:
            return choice
        calls = tuple(call for one in choice.delta.tool_calls if (call := self._call(choice.index, one)))
        if calls == choice.delta.tool_calls:
            return choice
        delta = replace(choice.delta, tool_calls=calls)
        empty = delta == Message() and not choice.finish_reason
        return None if empty else replace(choice, delta=delta)

    def _call(self, choice: int, call: ToolCall) -> ToolCall | None:
        key = (choice, call.index)
        if call.id and call.id.startswith(_SERVER_CALL):
            self._server_calls.add(key)
        if key in self._server_calls:
            return None
        position = self._indexes.setdefault(key, sum(1 for other, _ in self._indexes if other == choice))
        return call if position == call.index else replace(call, index=position)


def without_server_calls(response: ModelResponse) -> ModelResponse:
    """Remove the calls of a provider's own tools from a whole response, and renumber the others."""
    return replace(response, choices=tuple(_whole(choice) for choice in response.choices))


def _whole(choice: Choice) -> Choice:
    if choice.message is None:
        return choice
    calls = [call for call in choice.message.tool_calls if not (call.id and call.id.startswith(_SERVER_CALL))]
    numbered = tuple(replace(call, index=at) for at, call in enumerate(calls))
    return replace(choice, message=replace(choice.message, tool_calls=numbered))

"""A listener between the provider's own chunks and LiteLLM, which drops or merges some of what they say.

It hands every chunk on as it is, and notes what `repair` puts back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Heard:
    """What the provider itself said so far; empty where its stream cannot be tapped."""

    choices: set[int] = field(default_factory=set)
    finish_reasons: dict[int, str] = field(default_factory=dict)
    """By choice."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Choice and piece of text, until somebody takes them."""
    model: str = ""
    reported: bool = False
    """Whether any usage was; LiteLLM estimates where there was none."""
    usage: Any = None
    """The last that was reported, until somebody takes it."""

    def take_usage(self) -> Any:
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
                self.finish_reasons[index] = reason
            if refusal := getattr(getattr(choice, "delta", None), "refusal", None):
                self.refusals.append((index, refusal))

    def _note_generic(self, chunk: dict[str, Any]) -> None:
        """LiteLLM's own plain form, which some providers' parsers make."""
        self._note_usage(chunk.get("usage"))
        self.choices.add(0)
        if reason := chunk.get("finish_reason"):
            self.finish_reasons[0] = reason

    def _note_usage(self, usage: Any) -> None:
        if usage:
            self.usage = usage
            self.reported = True


class Tap:
    def __init__(self, source: Any, heard: Heard) -> None:
        self._source = source
        self._chunks: AsyncIterator[Any] = aiter(source)
        self._heard = heard

    def __aiter__(self) -> "Tap":
        return self

    async def __anext__(self) -> Any:
        chunk = await anext(self._chunks)
        self._heard.note(chunk)
        return chunk

    async def aclose(self) -> None:
        """The source closes; SDKs and LiteLLM's own parsers have two names for it, and some have none."""
        close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if close is None:
            await self._cancel_reading()
        elif (closing := close()) is not None:
            await closing

    async def _cancel_reading(self) -> None:
        """Such a parser lets go of its connection when a read is cancelled; one that was never read begins for that."""
        reading = asyncio.create_task(self._read_all())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})

    async def _read_all(self) -> None:
        with suppress(Exception):
            async for _ in self._chunks:
                pass


def tap(wrapper: Any) -> Heard:
    """Put a tap into LiteLLM's stream wrapper, if its provider's stream is a plain asynchronous one."""
    heard = Heard()
    source = getattr(wrapper, "completion_stream", None)
    if source is not None and hasattr(source, "__aiter__"):
        wrapper.completion_stream = Tap(source, heard)
    return heard

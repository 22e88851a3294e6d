"""What one policy did on one stream: what it emitted, held back, evaluated, skipped. `flush` counts it in telemetry."""

from collections.abc import Mapping
from time import perf_counter
from typing import Literal

from app.messages import ModelResponse
from app.pipeline.policies.blocks import thinking_text
from telemetry import PolicyTelemetry

Kind = Literal["content", "thinking", "tool_call", "finish"]


class PolicyAccount:
    """Follows blocks by choice and kind; all tool calls of a choice count as one block."""

    __slots__ = (
        "_emitted",
        "_evaluated",
        "_held_since",
        "_skipped",
        "_telemetry",
        "_thinking",
    )

    def __init__(self, telemetry: PolicyTelemetry) -> None:
        self._telemetry = telemetry
        self._emitted: set[tuple[int, Kind]] = set()
        self._held_since: dict[tuple[int, Kind], float] = {}
        self._thinking: dict[int, list[str]] = {}
        self._evaluated: dict[Kind, int] = {}
        self._skipped: dict[str, int] = {}

    def emitted(self, chunk: ModelResponse) -> None:
        for block in kinds_of(chunk):
            self._emitted.add(block)
            if self._held_since and (since := self._held_since.pop(block, None)) is not None:
                self._telemetry.held(block[1], perf_counter() - since)
            if block[1] == "thinking":
                self._emitted_thinking(chunk, block[0])

    def _emitted_thinking(self, chunk: ModelResponse, choice: int) -> None:
        texts = self._thinking.setdefault(choice, [])
        texts += [
            thinking_text(each.delta) for each in chunk.choices if each.index == choice and each.delta is not None
        ]

    def has_emitted(self, choice: int, kind: Kind) -> bool:
        """Whether a piece of the open block has gone out."""
        return (choice, kind) in self._emitted

    def emitted_thinking(self, choice: int) -> str:
        """The text of the open thinking block that has gone out."""
        return "".join(self._thinking.get(choice, ()))

    def held(self, choice: int, kind: Kind) -> None:
        """The policy took a piece and emitted nothing; the hold is over when it next emits of this kind."""
        self._held_since.setdefault((choice, kind), perf_counter())

    def completed(self, choice: int, kind: Kind) -> None:
        """A block has ended, and the policy has seen all of it."""
        self._evaluated[kind] = self._evaluated.get(kind, 0) + 1
        self._emitted.discard((choice, kind))
        self._held_since.pop((choice, kind), None)
        if kind == "thinking":
            self._thinking.pop(choice, None)

    def skipped(self, chunk: ModelResponse, kinds: frozenset[Kind]) -> None:
        """A chunk went on that the policy did not read; of it, `kinds` are those that the policy would have read."""
        for _, kind in kinds_of(chunk):
            if kind in kinds:
                self._skipped[kind] = self._skipped.get(kind, 0) + 1

    def unread(self, kinds: Mapping[str, int]) -> None:
        """Count data that no policy can read, given as numbers by kind."""
        for kind, count in kinds.items():
            self._skipped[kind] = self._skipped.get(kind, 0) + count

    def flush(self) -> None:
        """Count in telemetry what has been noted, and begin anew."""
        for kind, count in self._evaluated.items():
            self._telemetry.evaluated(kind, count)
        for what, count in self._skipped.items():
            self._telemetry.skipped(what, count)
        self._evaluated.clear()
        self._skipped.clear()


def kinds_of(chunk: ModelResponse) -> list[tuple[int, Kind]]:
    """The blocks that a chunk adds to, by choice and kind."""
    kinds: list[tuple[int, Kind]] = []
    for choice in chunk.choices:
        delta = choice.delta
        if delta is None:
            continue
        if delta.content:
            kinds.append((choice.index, "content"))
        if delta.reasoning_content or delta.thinking_blocks:
            kinds.append((choice.index, "thinking"))
        if delta.tool_calls:
            kinds.append((choice.index, "tool_call"))
    return kinds

"""What one policy did on one stream: emitted, held back, looked at, passed over. Counts go out in `flush`."""

from collections import Counter
from time import perf_counter
from typing import Literal

from app.messages import ModelResponse
from app.pipeline.blocks import thinking_text
from telemetry.context import ObservabilityContext

Kind = Literal["content", "thinking", "tool_call", "finish"]


class PolicyAccount:
    """Blocks are known by choice and kind; all calls of a choice count as one."""

    def __init__(self, policy: str, obs: ObservabilityContext) -> None:
        self._policy = policy
        self._obs = obs
        self._emitted: set[tuple[int, Kind]] = set()
        self._held_since: dict[tuple[int, Kind], float] = {}
        self._thinking: dict[int, list[str]] = {}
        self._evaluated: Counter[Kind] = Counter()
        self._skipped: Counter[Kind] = Counter()

    def emitted(self, chunk: ModelResponse) -> None:
        for choice, kind in kinds_of(chunk):
            self._emitted.add((choice, kind))
            since = self._held_since.pop((choice, kind), None)
            if since is not None:
                self._obs.policy_held(self._policy, kind, perf_counter() - since)
        for said in chunk.choices:
            if said.delta is not None and (thinking := thinking_text(said.delta)):
                self._thinking.setdefault(said.index, []).append(thinking)

    def has_emitted(self, choice: int, kind: Kind) -> bool:
        """Whether any of the open block has gone out."""
        return (choice, kind) in self._emitted

    def emitted_thinking(self, choice: int) -> str:
        """What has gone out of the open thinking block."""
        return "".join(self._thinking.get(choice, ()))

    def held(self, choice: int, kind: Kind) -> None:
        """The policy took a piece and emitted nothing; the hold is over when it next emits of this kind."""
        self._held_since.setdefault((choice, kind), perf_counter())

    def completed(self, choice: int, kind: Kind) -> None:
        self._evaluated[kind] += 1
        self._emitted.discard((choice, kind))
        self._held_since.pop((choice, kind), None)
        if kind == "thinking":
            self._thinking.pop(choice, None)

    def skipped(self, chunk: ModelResponse, kinds: frozenset[Kind]) -> None:
        for _, kind in kinds_of(chunk):
            if kind in kinds:
                self._skipped[kind] += 1

    def flush(self) -> None:
        for kind, count in self._evaluated.items():
            self._obs.policy_evaluated(self._policy, kind, count)
        for kind, count in self._skipped.items():
            self._obs.policy_skipped(self._policy, kind, count)
        self._evaluated.clear()
        self._skipped.clear()


def kinds_of(chunk: ModelResponse) -> list[tuple[int, Kind]]:
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

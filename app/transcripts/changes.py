"""What a request adds to an earlier one of its conversation, and what it changed of it. Pure.

A message, a tool and a parameter are known by a digest of all that they say; cache marks are left out, as clients move
them from turn to turn.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from hashlib import blake2b
from typing import Any, Literal

import msgspec
from msgspec import Struct

from app.messages import ToolDefinition
from app.transcripts.requests import ReadRequest

Digest = bytes
StepKind = Literal["same", "added", "changed", "removed"]
_CACHE_MARKS = frozenset({"cache_control", "prompt_cache_breakpoint"})


class Fingerprints(Struct, frozen=True):
    """By what a request is known to go on from another one. It holds none of its texts."""

    messages: tuple[Digest, ...]
    """One for each message, the system prompt's first."""
    first_turn: int
    """How many of them are the system prompt."""
    tools: Mapping[str, Digest] = {}
    """By the tool's name."""
    parameters: Mapping[str, Digest] = {}
    """By the field's name."""

    @property
    def turns(self) -> tuple[Digest, ...]:
        return self.messages[self.first_turn :]


class Step(Struct, frozen=True):
    """A run of messages: `before` and `now` are the first and the one after the last in either request."""

    kind: StepKind
    before: tuple[int, int]
    now: tuple[int, int]

    @property
    def count(self) -> int:
        return max(self.now[1] - self.now[0], self.before[1] - self.before[0])


class Changes(Struct, frozen=True, kw_only=True):
    """A request beside the one that it goes on from."""

    steps: tuple[Step, ...]
    """All messages of both, in order."""
    tools_added: tuple[str, ...] = ()
    tools_removed: tuple[str, ...] = ()
    tools_changed: tuple[str, ...] = ()
    parameters_changed: tuple[str, ...] = ()
    """Names of fields that came, went or have another value."""

    @property
    def is_prefix_kept(self) -> bool:
        """Whether all of the earlier prompt is the beginning of this one, so that a cache of it can be read."""
        return not (self.tools_added or self.tools_removed or self.tools_changed) and all(
            step.kind == "same" or (step.kind == "added" and at == len(self.steps) - 1)
            for at, step in enumerate(self.steps)
        )


def fingerprints(request: ReadRequest) -> Fingerprints:
    return Fingerprints(
        tuple([_digest(message) for message in request.messages]),
        request.first_turn,
        {name_of(tool): _digest(tool) for tool in request.tools},
        {name: _digest(value) for name, value in request.parameters.items()},
    )


def name_of(tool: ToolDefinition) -> str:
    """What a tool is called; a provider's own has its kind for a name."""
    return tool.name or str((tool.raw or {}).get("type") or "tool")


def _digest(value: Any) -> Digest:
    bare = _without_marks(msgspec.to_builtins(value))
    return blake2b(msgspec.msgpack.encode(bare), digest_size=16).digest()


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_marks(one) for name, one in value.items() if name not in _CACHE_MARKS}
    return [_without_marks(one) for one in value] if isinstance(value, list | tuple) else value


def predecessor(earlier: Sequence[Fingerprints], now: Fingerprints) -> int | None:
    """Which of the earlier requests, given in their order, this one goes on from: the latest of those with which it has
    most of its messages in common. None if it has less than half of any: then it begins anew."""
    found, most = None, 0
    here = Counter(now.turns)
    for at, one in enumerate(earlier):
        common = (here & Counter(one.turns)).total()
        if common and common * 2 >= len(one.turns) and common >= most:
            found, most = at, common
    return found


def changes(before: Fingerprints, now: Fingerprints) -> Changes:
    kinds: Mapping[str, StepKind] = {"equal": "same", "insert": "added", "replace": "changed", "delete": "removed"}
    steps = [Step(kinds[tag], (a, b), (c, d)) for tag, a, b, c, d in _opcodes(before.messages, now.messages)]
    return Changes(
        steps=tuple(steps),
        tools_added=_missing(now.tools, before.tools),
        tools_removed=_missing(before.tools, now.tools),
        tools_changed=_differing(before.tools, now.tools),
        parameters_changed=(
            *_missing(before.parameters, now.parameters),
            *_missing(now.parameters, before.parameters),
            *_differing(before.parameters, now.parameters),
        ),
    )


def _opcodes(before: Sequence[Digest], now: Sequence[Digest]) -> list[tuple[str, int, int, int, int]]:
    """As of `SequenceMatcher`, which takes minutes for thousands of messages that repeat each other unless it leaves
    those out; so what is the same from the beginning on is not left to it."""
    pairs = enumerate(zip(before, now, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(before), len(now)))
    codes = SequenceMatcher(None, before[same:], now[same:], autojunk=True).get_opcodes()
    rest: list[tuple[str, int, int, int, int]] = [
        (tag, a + same, b + same, c + same, d + same) for tag, a, b, c, d in codes
    ]
    if same and rest and rest[0][0] == "equal":
        rest[0] = ("equal", 0, rest[0][2], 0, rest[0][4])
        return rest
    return [("equal", 0, same, 0, same), *rest] if same else rest


def _missing(names: Iterable[str], others: Mapping[str, Digest]) -> tuple[str, ...]:
    return tuple([name for name in names if name not in others])


def _differing(before: Mapping[str, Digest], now: Mapping[str, Digest]) -> tuple[str, ...]:
    return tuple([name for name in before if name in now and before[name] != now[name]])

"""What a prompt looked like: for each of its blocks a hash of 8 bytes, in the order in which a provider reads them.

Nothing of a prompt can be read in its form, and no form leaves the process: Python's hashes are keyed anew by each.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

HASH_SIZE = 8
"""Bytes of one block's hash."""
PARAMETERS = ("tool_choice", "reasoning", "cache_control")
"""What besides its text decides whether a prompt is found in a cache: a choice among tools, settings of thinking, and
whether anything was marked to be cached."""


def packed(hashes: Iterable[int]) -> bytes:
    """Hashes in the form in which they are kept: a tuple of numbers would take five times as much."""
    return array("q", hashes).tobytes()


@dataclass(frozen=True, slots=True)
class PromptForm:
    """The packed hashes of a prompt's blocks. `parameters` has one for each of `PARAMETERS`."""

    tools: bytes
    system: bytes
    parameters: bytes
    messages: bytes

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return 256 + len(self.tools) + len(self.system) + len(self.parameters) + len(self.messages)


@dataclass(frozen=True, slots=True)
class PromptForms:
    """One request's prompt. `client` is its form as it came, `sent` as the policies left it, the same object where they
    changed nothing. `conversation` stands for who asks, for the model and for the conversation."""

    conversation: int
    client: PromptForm
    sent: PromptForm
    ttl_s: float
    """Seconds for which a provider keeps the prompt after its last use, as far as the request tells."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """The first block in which two prompts differ, of the `kind` of this position in `KINDS`. Ordered as a provider
    reads prompts."""

    kind: int
    index: int

    @property
    def block(self) -> str:
        """Which block it is: `tools[3]`, `system[0]`, `messages[2]`, `tool_choice`."""
        name = KINDS[self.kind]
        return PARAMETERS[self.index] if name == "parameters" else f"{name}[{self.index}]"


KINDS = ("tools", "system", "parameters", "messages")


def first_change(before: PromptForm, now: PromptForm) -> Change | None:
    """Where a prompt ceases to continue another one; None where all of that other one stands at its beginning."""
    for kind, name in enumerate(KINDS[:-1]):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            return Change(kind, common(old, new))
    if now.messages.startswith(before.messages):
        return None
    return Change(len(KINDS) - 1, common(before.messages, now.messages))


def common(before: bytes, now: bytes) -> int:
    """How many blocks two packed lists have in common from their beginning."""
    blocks = min(len(before), len(now)) // HASH_SIZE
    if before[: blocks * HASH_SIZE] == now[: blocks * HASH_SIZE]:
        return blocks
    old, new = array("q", before), array("q", now)
    return next(at for at in range(blocks) if old[at] != new[at])


def shares_any(before: bytes, now: bytes) -> bool:
    """Whether any block of one packed list is one of the other, wherever they stand."""
    return not set(array("q", before)).isdisjoint(array("q", now))

"""Whether a prompt that a provider had in its cache was paid for again, and what is to blame. Pure.

What makes all else idle comes first: another deployment has another cache, and what has expired is gone whatever was
sent. Then the first block that changed decides, and who changed it: the client, if the prompt had changed there already
as it came; a policy, if only after the policies; the translation, if only in the provider's own API. Where nothing
changed it was the provider, which may drop what it keeps at any time.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from telemetry.names import CacheMissBy, CacheMissCause
from telemetry.prompt_cache.forms import KINDS, Change, PromptForm, PromptForms, first_change
from telemetry.tokens import Tokens

LEAST_TOKENS = 1_024
"""Tokens of a prompt below which no provider caches it, or loses much by it."""
_CAUSES: tuple[CacheMissCause, ...] = ("tools", "system", "parameters", "message")
"""By the position of a changed block's kind in `KINDS`."""
assert len(_CAUSES) == len(KINDS)


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """A prompt that was answered. `cached` counts its tokens that are in the provider's cache since, `at_s` is the
    clock's time at which it was sent, `wire` its form in the provider's API, None where that is not known."""

    prompt: PromptForms
    deployment: str
    at_s: float
    cached: int
    wire: PromptForm | None = None

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        forms = {id(form): form.size for form in (self.prompt.client, self.prompt.sent, self.wire) if form is not None}
        return 256 + sum(forms.values())


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """A warm cache that was not read: `lost_tokens` were paid for in full. `block` is None where none had changed."""

    cause: CacheMissCause
    by: CacheMissBy
    block: str | None
    lost_tokens: int
    read_ratio: float = 0.0
    """The part of the prompt, 0 to 1, that was read all the same."""


def cache_miss(before: SentPrompt | None, now: SentPrompt, tokens: Tokens) -> CacheMiss | None:
    """The miss, if there was one: at least half of what could have been read from the cache was not. `tokens` is what
    the provider counted for `now`."""
    expected = 0 if before is None else min(before.cached, tokens.prompt)
    if before is None or expected < LEAST_TOKENS or tokens.cache_read * 2 >= expected:
        return None
    cause, by, change = _cause(before, now)
    block = None if change is None else change.block
    return CacheMiss(cause, by, block, expected - tokens.cache_read, tokens.cache_read / tokens.prompt)


def as_if_read(tokens: Tokens, miss: CacheMiss) -> Tokens:
    """The tokens that the provider would have counted without the miss."""
    written = min(miss.lost_tokens, tokens.cache_write)
    return replace(
        tokens,
        input=tokens.input - (miss.lost_tokens - written),
        cache_write=tokens.cache_write - written,
        cache_read=tokens.cache_read + miss.lost_tokens,
    )


def _cause(before: SentPrompt, now: SentPrompt) -> tuple[CacheMissCause, CacheMissBy, Change | None]:
    if before.deployment != now.deployment:
        return "deployment", "deployment", None
    if now.at_s - before.at_s > before.prompt.ttl_s:
        return "expired", "time", None
    by, change = _change(before, now)
    return ("provider", by, None) if change is None else (_CAUSES[change.kind], by, change)


def _change(before: SentPrompt, now: SentPrompt) -> tuple[CacheMissBy, Change | None]:
    """Who changed the prompt first on its way to the provider, and where."""
    by_client = first_change(before.prompt.client, now.prompt.client)
    sent = first_change(before.prompt.sent, now.prompt.sent)
    if sent is not None:
        # What the policies let through of a change of the client's stands where the client made it.
        return ("client", by_client) if by_client is not None and by_client <= sent else ("policy", sent)
    wire = None if before.wire is None or now.wire is None else first_change(before.wire, now.wire)
    return ("provider", None) if wire is None else ("translation", wire)

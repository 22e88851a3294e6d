"""How each conversation was sent last, for as many of them as there is room for: the one unused for longest goes first.

Under one id several agents may talk at once: the main one, and others with a system prompt or a history of their own.
So a conversation has a few threads, and a request continues the one that it has most in common with, if any. One that
begins anew, with no message of before, continues none: nobody could have kept its cache warm.
"""

from collections import OrderedDict

from telemetry.prompt_cache.comparison import CacheMiss, SentPrompt, cache_miss
from telemetry.prompt_cache.forms import HASH_SIZE, PromptForm, PromptForms, common, shares_any
from telemetry.tokens import Tokens

_CONVERSATIONS = 10_000
_BYTES = 32 * 1024**2
_THREADS = 8


class PromptCaches:
    """One per process. `conversations`, `size` (bytes) and `threads` (of one conversation) bound what is kept."""

    def __init__(self, conversations: int = _CONVERSATIONS, size: int = _BYTES, threads: int = _THREADS) -> None:
        self._most = conversations
        self._limit = size
        self._most_threads = threads
        self._kept: OrderedDict[int, list[SentPrompt]] = OrderedDict()
        self.size = 0
        """Bytes that are held."""

    def __len__(self) -> int:
        return len(self._kept)

    def watch(self, prompt: PromptForms) -> "WatchedPrompt":
        """A request is about to be sent; what others of its conversation do from now on says nothing of its cache."""
        return WatchedPrompt(self, prompt, self._continued(prompt))

    def keep(self, sent: SentPrompt, instead_of: SentPrompt | None) -> None:
        """Remember a prompt that was answered, in the place of the one that it continues."""
        threads = self._kept.setdefault(sent.prompt.conversation, [])
        self._kept.move_to_end(sent.prompt.conversation)
        if instead_of in threads:
            threads.remove(instead_of)
            self.size -= instead_of.size
        threads.append(sent)
        self.size += sent.size
        if len(threads) > self._most_threads:
            self.size -= threads.pop(0).size
        while self._kept and (len(self._kept) > self._most or self.size > self._limit):
            _, dropped = self._kept.popitem(last=False)
            self.size -= sum(one.size for one in dropped)

    def _continued(self, prompt: PromptForms) -> SentPrompt | None:
        """The thread that a prompt continues: the one sent last of those that are closest."""
        best: SentPrompt | None = None
        closest = (-1, -1)
        for one in reversed(self._kept.get(prompt.conversation, ())):
            closeness = _closeness(one.prompt.client, prompt.client)
            if closeness is not None and closeness > closest:
                best, closest = one, closeness
        return best


def _closeness(before: PromptForm, now: PromptForm) -> tuple[int, int] | None:
    """How much of a prompt another one has: whether its tools and its system prompt are the same, and how many of its
    messages; None where it is no continuation."""
    same = (before.tools == now.tools) + (before.system == now.system)
    messages = common(before.messages, now.messages)
    if same == 2:
        continues = messages > 0 or shares_any(before.messages, now.messages)
    else:
        # Agents that differ in more than their task may well begin with the same words.
        has_all = messages * HASH_SIZE == len(before.messages) < len(now.messages)
        continues = messages > 1 or (has_all and messages > 0)
    return (same, messages) if continues else None


class WatchedPrompt:
    """A prompt under way: `answered` is called for each attempt that a provider counted the tokens of."""

    def __init__(self, caches: PromptCaches, prompt: PromptForms, before: SentPrompt | None) -> None:
        self._caches = caches
        self._prompt = prompt
        self._before = before
        self._kept = before

    def answered(
        self, deployment: str, at_s: float, tokens: Tokens, wire: PromptForm | None = None
    ) -> CacheMiss | None:
        """Remember the prompt for the request that continues it. Returns the miss of its own cache, if it was one.
        `at_s` is the clock's time at which the attempt began, `wire` what the provider was sent in its own API."""
        sent = SentPrompt(self._prompt, deployment, at_s, tokens.cache_read + tokens.cache_write, wire)
        self._caches.keep(sent, self._kept)
        self._kept = sent
        return cache_miss(self._before, sent, tokens)

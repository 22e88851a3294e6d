"""A simulated provider's cache of prompts: what a prompt has in common with an earlier one, from its beginning, is read
from it, block by block, and the rest is written into it. Pure: the time comes in."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from app.backends.simulated.answer import CacheUse
from app.backends.simulated.scenario import Scenario


class PrefixCache:
    """The cache of one simulated deployment. Another deployment of the same model has a cache of its own."""

    def __init__(self, scenario: Scenario) -> None:
        self._ttl = scenario.cache_ttl or 0.0
        self._minimum = scenario.cache_minimum
        self._most = scenario.cache_size
        self._used: OrderedDict[bytes, float] = OrderedDict()
        """When each prefix was used last, the one unused for longest first."""

    def use(self, blocks: Sequence[tuple[str, int]], now: float) -> CacheUse:
        """Read and write a prompt: each block's content, and its tokens. `now` in seconds."""
        read = total = 0
        digest = b""
        prefixes: list[bytes] = []
        for content, tokens in blocks:
            digest = hashlib.blake2b(digest + content.encode(errors="surrogatepass"), digest_size=16).digest()
            total += tokens
            if total < self._minimum:
                continue
            prefixes.append(digest)
            used = self._used.get(digest)
            if used is not None and now - used <= self._ttl:
                read = total
        for prefix in prefixes:
            self._used[prefix] = now
            self._used.move_to_end(prefix)
        while len(self._used) > self._most:
            self._used.popitem(last=False)
        return CacheUse(read, total - read if total >= self._minimum else 0)

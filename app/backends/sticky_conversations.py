"""Which deployment answered a conversation last, for as long as its provider keeps the prompt in a cache. Pure."""

from collections import OrderedDict
from collections.abc import Container

from app.messages import Request

_KEPT = 50_000
"""Conversations that are remembered, at about 200 bytes each."""
Key = int


class StickyConversations:
    """`now` is a monotonic clock's, in seconds."""

    def __init__(self, limit: int = _KEPT) -> None:
        self._known: OrderedDict[Key, tuple[str, float]] = OrderedDict()
        """The deployment's id and until when its cache is warm, by conversation, the one unused for longest first."""
        self._limit = limit

    def deployment(self, key: Key, now: float) -> str | None:
        """The id of the deployment whose cache is warm; None if none is known to have one."""
        id, until = self._known.get(key, (None, 0.0))
        return id if now < until else None

    def remember(self, key: Key, deployment: str, now: float, lifetime: float) -> None:
        """A deployment has answered, and its provider keeps the prompt for `lifetime` seconds."""
        self._known[key] = deployment, now + lifetime
        self._known.move_to_end(key)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def keep(self, stays: Container[str]) -> None:
        """Forget where deployments answered other than those of these ids."""
        for key in [key for key, (deployment, _) in self._known.items() if deployment not in stays]:
            del self._known[key]


def key_of(request: Request, model: str, conversation: str) -> Key:
    """A conversation of one caller with one model of the configuration; a provider keeps prompts by model."""
    return hash((request.caller, model, conversation))

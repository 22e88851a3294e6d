"""What one process lets the others know that serve with it."""

from msgspec import Struct


class AttemptEnds(Struct, frozen=True, array_like=True):
    """How a caller's attempts at a deployment, or streams through a queue, ended since the last news of them."""

    name: str
    """The deployment's id, or the queue's name."""
    caller: str
    succeeded: int
    failed: int
    abandoned: int
    answered: bool
    """Whether a response has begun."""
    slow: int = 0
    """Attempts whose responses were slow to begin."""
    quick: int = 0
    """Attempts whose responses were not."""


class BreakerNews(Struct, frozen=True, tag=True):
    """What the breakers' rules are to know."""

    deployments: tuple[AttemptEnds, ...] = ()
    queues: tuple[AttemptEnds, ...] = ()


class ResponseNews(Struct, frozen=True, tag=True):
    """A provider keeps a response, or a conversation, under this id."""

    id: str
    deployment: str
    caller: str


class ResponseForgotten(Struct, frozen=True, tag=True):
    """A provider keeps a response no longer."""

    id: str


class ConversationNews(Struct, frozen=True, tag=True):
    """A response is part of a conversation."""

    response: str
    conversation: str


News = BreakerNews | ResponseNews | ResponseForgotten | ConversationNews

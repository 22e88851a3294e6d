"""What the workers let each other know, remembered as far as one that starts later has to know it, too."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TypeVar

from app.peers.news import ConversationNews, News, ResponseForgotten, ResponseNews
from app.workers.messages import encode

_Kind = TypeVar("_Kind")
_RESPONSES = 50_000
_CONVERSATIONS = 20_000
"""Ids that are remembered, as many as a worker remembers, at about 250 bytes each."""


class Relay:
    """News of all workers. The oldest is forgotten first."""

    def __init__(self, responses: int = _RESPONSES, conversations: int = _CONVERSATIONS) -> None:
        self._most_responses = responses
        self._most_conversations = conversations
        self._responses: OrderedDict[str, ResponseNews] = OrderedDict()
        self._conversations: OrderedDict[str, ConversationNews] = OrderedDict()

    def note(self, news: News) -> None:
        """One worker has let the others know."""
        match news:
            case ResponseNews(id):
                _remember(self._responses, id, news, self._most_responses)
            case ResponseForgotten(id):
                self._responses.pop(id, None)
            case ConversationNews(response):
                _remember(self._conversations, response, news, self._most_conversations)

    def messages(self) -> Iterator[bytes]:
        """All that a worker that starts now has to know, the oldest first."""
        for news in (*self._responses.values(), *self._conversations.values()):
            yield encode(news)


def _remember(known: OrderedDict[str, _Kind], id: str, news: _Kind, most: int) -> None:
    known[id] = news
    known.move_to_end(id)
    if len(known) > most:
        known.popitem(last=False)

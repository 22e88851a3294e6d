"""Which conversation a response belongs to: requests that go on from a response are part of the same one."""

from collections import OrderedDict

_KNOWN = 20_000
"""Responses that are remembered, at about 300 bytes each."""
_LONGEST = 256
"""Characters of a response's id."""


class Conversations:
    """A bounded memory of the process, from the ids of responses to conversations. The longest unused goes first."""

    def __init__(self, limit: int = _KNOWN) -> None:
        self._limit = limit
        self._known: OrderedDict[str, str] = OrderedDict()

    def learn(self, response_id: str, conversation_id: str) -> None:
        """Remember what conversation a response is part of. Does nothing where one of the two has no id."""
        if not response_id or not conversation_id or len(response_id) > _LONGEST:
            return
        self._known[response_id] = conversation_id
        self._known.move_to_end(response_id)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def of(self, response_id: str) -> str:
        """The conversation of a response. Of one that is not known, from before a restart or by another instance, the
        response's id stands for the conversation."""
        conversation_id = self._known.get(response_id)
        if conversation_id is None:
            return response_id
        self._known.move_to_end(response_id)
        return conversation_id

"""Whose a request is, for telemetry: found in its head and body, in step with what policies may change of it.

What a policy takes out of a request is recorded nowhere. So where policies look at requests, only what they do not read
is noted before they have looked, and the rest as they left it.
"""

from collections.abc import Mapping
from typing import Any

from app.gateway.call import Call, Gateway
from app.messages import Received, Request
from app.request_ids import fields_left, is_fingerprint, unread_fields
from telemetry import ObservabilityContext


class RequestIdentity:
    """The ids of one call; `body` is its JSON. Without `is_conversation` no fingerprint is made of it."""

    def __init__(self, gateway: Gateway, call: Call, body: Mapping[str, Any], *, is_conversation: bool) -> None:
        self._gateway = gateway
        self._call = call
        self._body = body
        self._beginning = body if is_conversation else None

    def note_received(self) -> None:
        """Note the ids as they came, as far as no policy reads them."""
        if self._call.chain.reads_requests:
            self._note(unread_fields(self._body), None)
        else:
            self._note(self._body, self._beginning)

    def note_permitted(self, given: Request, request: Request) -> None:
        """Note the ids as the policies left them of the `given` request."""
        if self._call.chain.reads_requests:
            user_field = self._call.dialect.field_names.get("user", "user")
            self._note(self._body if request is given else fields_left(request, user_field), self._beginning)

    def _note(self, fields: Mapping[str, Any], beginning: Mapping[str, Any] | None) -> None:
        call = self._call
        call.obs.note_ids(*self._gateway.ids.find(call.headers, fields, beginning=beginning, caller=call.caller.id))


def learn_conversation(gateway: Gateway, call: Call, first: Received) -> None:
    """Remember which conversation a response is part of, if requests may go on from it. `first` is its first chunk, or
    all of it."""
    native = first.native
    if call.dialect.keeps_responses and native is not None and native.dialect == call.dialect.name:
        gateway.conversations.learn(first.chunk.id, call.obs.conversation_id)


def named_conversation(obs: ObservabilityContext) -> str:
    """The conversation that the client names; empty where all that is known of it is how it begins."""
    conversation = obs.conversation_id
    return "" if is_fingerprint(conversation) else conversation

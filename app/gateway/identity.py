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


def note_received(gateway: Gateway, call: Call, body: Mapping[str, Any], beginning: Mapping[str, Any] | None) -> None:
    """Note the ids of a call as they came, as far as no policy reads them. `body` is its JSON, and `beginning` the same
    where a fingerprint may be made of it."""
    if call.chain.reads_requests:
        body, beginning = unread_fields(body), None
    ids = gateway.ids.find(call.headers, body, beginning=beginning, caller=call.caller.id)
    call.obs.note_ids(*ids)


def note_permitted(
    gateway: Gateway,
    call: Call,
    body: Mapping[str, Any],
    beginning: Mapping[str, Any] | None,
    given: Request,
    request: Request,
) -> None:
    """Note the ids as the policies that read requests left them of the `given` one."""
    fields = body if request is given else fields_left(request, call.dialect.field_names.get("user", "user"))
    ids = gateway.ids.find(call.headers, fields, beginning=beginning, caller=call.caller.id)
    call.obs.note_ids(*ids)


def learn_conversation(gateway: Gateway, call: Call, first: Received) -> None:
    """Remember which conversation a response is part of, in a dialect that goes on from responses. `first` is its first
    chunk, or all of it."""
    native = first.native
    if native is not None and native.dialect == call.dialect.name:
        gateway.conversations.learn(first.chunk.id, call.obs.conversation_id)


def named_conversation(obs: ObservabilityContext) -> str:
    """The conversation that the client names; empty where all that is known of it is how it begins."""
    conversation = obs.conversation_id
    return "" if is_fingerprint(conversation) else conversation

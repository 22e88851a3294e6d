"""Whose a request is: ids of its conversation, agent, user and client, from its headers, its body and its baggage.

sources ........ where a value may be taken from, as an operator writes it -> a function that takes it
request ........ the head and the fields of one request, to those functions
composite ...... several ids packed into one text
fingerprint .... a name for a conversation without an id, made of how it begins
conversations .. which conversation a response belongs to, for requests that go on from it
finder ......... all ids of a request, in order of preference
policies ....... which fields of a body may be told while policies look at it, and after

Nothing here is a metric label: whoever sends a thousand ids makes no time series. `telemetry` bounds and scrubs what is
found.
"""

from app.request_ids.conversations import Conversations
from app.request_ids.finder import Finder, FoundIds
from app.request_ids.fingerprint import is_fingerprint
from app.request_ids.policies import fields_left, unread_fields
from app.request_ids.sources import BadSource, parse_conversation_source, parse_source

__all__ = [
    "BadSource",
    "Conversations",
    "Finder",
    "FoundIds",
    "fields_left",
    "is_fingerprint",
    "parse_conversation_source",
    "parse_source",
    "unread_fields",
]

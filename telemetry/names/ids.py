"""Ids of a request: which attributes hold them, and what they are called in a log line. None is ever a label."""

from telemetry.names.spans import Attribute

LOG_FIELDS = {
    Attribute.CONVERSATION: "conversation",
    Attribute.AGENT: "agent",
    Attribute.PARENT_AGENT: "parent_agent",
    Attribute.USER: "user",
    Attribute.ACCOUNT: "account",
    Attribute.CLIENT_REQUEST: "client_request_id",
    Attribute.PREVIOUS_RESPONSE: "previous_response",
}
"""The field of a log line for each id, by its attribute."""
ON_ATTEMPTS = frozenset({Attribute.CONVERSATION, Attribute.AGENT, Attribute.PARENT_AGENT, Attribute.USER})
"""Ids by which views of model calls group them; `session.id` goes with the conversation."""

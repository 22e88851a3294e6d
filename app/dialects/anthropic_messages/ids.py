"""Ids in the form that Anthropic's API and its clients take."""

import re

from app.dialects.translation.ids import behind_prefix

PREFIX = "msg_"
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


def message_id(id: str) -> str:
    """The id of a response in the form by which some clients know a message; an empty one stays empty."""
    return id if not id or id.startswith(PREFIX) else f"{PREFIX}{legal_id(behind_prefix(id))}"


def legal_id(id: str) -> str:
    """`id` without the characters that Anthropic's pattern forbids; a call and its result change alike."""
    return _NOT_IN_IDS.sub("_", id)

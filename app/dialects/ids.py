"""Ids of answers, from one dialect's form to another's: what is behind the prefix stays, so that a search finds it."""

import re

_PREFIX = re.compile(r"(?:chatcmpl|cmpl|msg|resp|gen)[-_]")
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


def message_id(id: str) -> str:
    """Anthropic's form, by which some clients know a message; an empty one stays empty."""
    if not id or id.startswith("msg_"):
        return id
    return f"msg_{_NOT_IN_IDS.sub('_', _behind_prefix(id))}"


def completion_id(id: str) -> str:
    """OpenAI's form for ids of other APIs; other providers of its dialect have forms of their own."""
    return f"chatcmpl-{_behind_prefix(id)}" if id.startswith(("msg_", "resp_")) else id


def response_id(id: str) -> str:
    """The Responses API's form, likewise."""
    return f"resp_{_behind_prefix(id)}" if id.startswith(("msg_", "chatcmpl-")) else id


def text_completion_id(id: str) -> str:
    """The same for legacy completions, where the model is one that only chats."""
    return f"cmpl-{_behind_prefix(id)}" if id.startswith(("msg_", "resp_", "chatcmpl-")) else id


def _behind_prefix(id: str) -> str:
    found = _PREFIX.match(id)
    return id[found.end() :] if found and found.end() < len(id) else id

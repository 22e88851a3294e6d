"""Thinking that only its own provider can read, on its way through a client of another dialect and back.

In the common form it is `data`, bare where it is Anthropic's, with a mark where it is OpenAI's. Each provider refuses
the other's: what has the wrong mark is left out of a request.
"""

from app.messages import ThinkingBlock

_OPENAI = "openai_responses:"
_SIGNATURE = "anthropic_messages.signature:"
_REDACTED = "anthropic_messages.redacted:"


def data_of(encrypted: str) -> str:
    """OpenAI's `encrypted_content`, as `data`."""
    return _OPENAI + encrypted


def is_openais(data: str) -> bool:
    return data.startswith(_OPENAI)


def encrypted_of(data: str) -> str | None:
    """What `data_of` was given; None for Anthropic's."""
    return data.removeprefix(_OPENAI) if is_openais(data) else None


def for_openais_client(block: ThinkingBlock) -> str | None:
    """The `encrypted_content` that a block becomes; None if there is nothing in it but text."""
    if block.data is not None:
        return encrypted_of(block.data) or _REDACTED + block.data
    return None if block.signature is None else _SIGNATURE + block.signature


def from_openais_client(encrypted: str) -> ThinkingBlock | None:
    """Anthropic's own, without its text; None for what is OpenAI's."""
    if encrypted.startswith(_SIGNATURE):
        return ThinkingBlock(signature=encrypted.removeprefix(_SIGNATURE))
    if encrypted.startswith(_REDACTED):
        return ThinkingBlock(type="redacted_thinking", data=encrypted.removeprefix(_REDACTED))
    return None

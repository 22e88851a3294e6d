"""Texts or token ids, as embeddings and legacy completions take them, to messages and back.

One message each, so that policies see every text. Token ids are opaque: nobody can read them without the provider's
tokenizer. Normalised on the way: a list of one is the same as what is in it.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.messages import Dialect, InputMessage, OpaquePart, Part, Request, TextPart

_TOKENS = "tokens"


def decode_inputs(given: object, field: str, dialect: Dialect) -> tuple[InputMessage, ...]:
    """Decode a text, token ids, or a list of either; `field` names it in errors."""
    if isinstance(given, str) or _is_tokens(given):
        return (_message(given, field, dialect),)
    if not isinstance(given, list) or not given:
        raise InvalidRequest(f"{field}: expected a text, token ids, or a list of either.", param=field)
    return tuple(_message(one, f"{field}[{at}]", dialect) for at, one in enumerate(given))


def encode_inputs(messages: Iterable[InputMessage]) -> Any:
    inputs = [_input(part) for message in messages for part in message.parts]
    return inputs[0] if len(inputs) == 1 else inputs


def unreadable(request: Request) -> int:
    """The number of inputs that no policy can read. In a chat, opaque parts stand beside texts, and do not count."""
    if request.operation == "chat":
        return 0
    return sum(isinstance(part, OpaquePart) for message in request.messages for part in message.parts)


def _message(one: object, path: str, dialect: Dialect) -> InputMessage:
    part: Part
    match one:
        case str():
            part = TextPart(one)
        case dict():
            # Images and the like, which some providers embed.
            part = OpaquePart(dialect, one)
        case _ if _is_tokens(one):
            part = OpaquePart(dialect, {"type": _TOKENS, _TOKENS: one})
        case _:
            raise InvalidRequest(f"{path}: expected a text or a list of token ids.", param=path)
    return InputMessage("user", (part,))


def _is_tokens(given: object) -> bool:
    if not isinstance(given, list) or not given or not isinstance(given[0], int):
        return False
    try:
        msgspec.convert(given, list[int])
    except msgspec.ValidationError:
        return False
    return True


def _input(part: Part) -> Any:
    match part:
        case TextPart(text=text):
            return text
        case OpaquePart(raw={"type": "tokens", "tokens": tokens}):
            return tokens
        case OpaquePart(raw=raw):
            return raw
        case _:
            raise InvalidRequest(f"A {type(part).__name__} cannot be an input of this kind of request.")

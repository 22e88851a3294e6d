"""How many tokens a request probably holds, for the first event of a stream whose provider has not counted yet."""

import msgspec

from app.messages import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    Part,
    Request,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

_CHARS_PER_TOKEN = 4
_IMAGE_TOKENS = 1500
"""About what an image of a megapixel costs; its bytes say nothing."""
_MESSAGE_TOKENS = 4


def estimate_input_tokens(request: Request) -> int:
    """Estimate within a factor of two for English and code; at least 1, as a zero breaks clients' accounting."""
    tokens = _MESSAGE_TOKENS * len(request.messages)
    for message in request.messages:
        for part in message.parts:
            tokens += len(part.text) // _CHARS_PER_TOKEN if type(part) is TextPart else _part(part)
    for tool in request.tools:
        tokens += _chars(tool.description or "") + _schema(tool.raw or tool.parameters)
    return max(1, tokens)


def estimate_output_tokens(chars: int) -> int:
    return max(1, chars // _CHARS_PER_TOKEN)


def _part(part: Part) -> int:
    match part:
        case TextPart(text=text) | ThinkingPart(thinking=text) | ToolCallPart(arguments=text):
            return _chars(text)
        case ToolResultPart(content=content):
            return sum(_part(inner) for inner in content)
        case ImagePart():
            return _IMAGE_TOKENS
        case DocumentPart(text=str(text)):
            return _chars(text)
        case DocumentPart(data=str(data)):
            return _chars(data) // 2
        case OpaquePart(raw={"type": "tokens", "tokens": list(tokens)}):
            return len(tokens)
        case _:
            return _MESSAGE_TOKENS


def _chars(text: str) -> int:
    return len(text) // _CHARS_PER_TOKEN


def _schema(schema: dict[str, object] | None) -> int:
    return len(msgspec.json.encode(schema)) // _CHARS_PER_TOKEN if schema else 0

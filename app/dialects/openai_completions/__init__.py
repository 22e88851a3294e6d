"""OpenAI's legacy completions: prompts in, texts out, to and from the common form. A `StreamingDialect`.

A prompt is a user's message of its own, and so is a suffix, which says so in `extra`. A text is the content of a
choice. What a text cannot be (thinking, calls of tools) is dropped.
"""

from app.dialects.openai_chat.errors import render_error
from app.dialects.openai_completions.client_formatter import CompletionsClientFormatter
from app.dialects.openai_completions.requests import decode_request, encode_request
from app.dialects.openai_completions.response_encoding import encode_response
from app.messages import Dialect, Request

__all__ = [
    "CompletionsClientFormatter",
    "decode_request",
    "encode_request",
    "encode_response",
    "formatter",
    "name",
    "render_error",
]

name: Dialect = "openai_completions"


def formatter(request: Request, transaction_id: str, created: int) -> CompletionsClientFormatter:
    return CompletionsClientFormatter(request, transaction_id, created)

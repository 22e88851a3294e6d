"""OpenAI's legacy completions: prompts in, texts out, to and from the common form.

A prompt is a user's message of its own, and so is a suffix, which says so in `extra`. A text is the content of a
choice. What a text cannot be (thinking, calls of tools) is dropped.
"""

from app.dialects.openai_completions.dialect import DIALECT
from app.dialects.openai_completions.requests import as_chat, decode_request, encode_request
from app.dialects.openai_completions.response_encoding import encode_response

__all__ = [
    "DIALECT",
    "as_chat",
    "decode_request",
    "encode_request",
    "encode_response",
]

"""OpenAI's chat completions: what a client sends and reads, to and from the common form. A `ClientDialect`."""

from app.dialects.openai_chat.client_formatter import OpenAIClientFormatter
from app.dialects.openai_chat.errors import render_error
from app.dialects.openai_chat.models import render_model, render_models
from app.dialects.openai_chat.request_decoding import decode_request
from app.dialects.openai_chat.request_encoding import encode_request
from app.dialects.openai_chat.response_encoding import encode_response
from app.messages import Dialect, Request

__all__ = [
    "OpenAIClientFormatter",
    "decode_request",
    "encode_request",
    "encode_response",
    "formatter",
    "name",
    "render_error",
    "render_model",
    "render_models",
]

name: Dialect = "openai_chat"


def formatter(request: Request, transaction_id: str, created: int) -> OpenAIClientFormatter:
    return OpenAIClientFormatter(request, transaction_id, created)

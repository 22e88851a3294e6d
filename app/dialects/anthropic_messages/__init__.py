"""Anthropic's messages: what a client sends and reads, to and from the common form. A `ClientDialect`."""

from app.dialects.anthropic_messages.client_formatter import AnthropicClientFormatter
from app.dialects.anthropic_messages.errors import render_error
from app.dialects.anthropic_messages.models import render_model, render_models
from app.dialects.anthropic_messages.request_decoding import decode_request
from app.dialects.anthropic_messages.request_encoding import encode_request
from app.dialects.anthropic_messages.response_encoding import encode_response
from app.messages import Dialect, Request

__all__ = [
    "AnthropicClientFormatter",
    "decode_request",
    "encode_request",
    "encode_response",
    "formatter",
    "name",
    "render_error",
    "render_model",
    "render_models",
]

name: Dialect = "anthropic_messages"


def formatter(request: Request, transaction_id: str, created: int) -> AnthropicClientFormatter:
    return AnthropicClientFormatter(request, transaction_id, created)

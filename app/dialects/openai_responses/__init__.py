"""OpenAI's Responses API: what a client sends and reads, to and from the common form. A `ClientDialect`."""

from app.dialects.openai_chat.models import render_model, render_models
from app.dialects.openai_responses.client_formatter import ResponsesClientFormatter
from app.dialects.openai_responses.errors import render_error
from app.dialects.openai_responses.request_decoding import decode_request
from app.dialects.openai_responses.request_encoding import encode_request
from app.dialects.openai_responses.response_encoding import encode_response
from app.messages import Dialect, Request

__all__ = [
    "ResponsesClientFormatter",
    "decode_request",
    "encode_request",
    "encode_response",
    "formatter",
    "name",
    "render_error",
    "render_model",
    "render_models",
]

name: Dialect = "openai_responses"


def formatter(request: Request, transaction_id: str, created: int) -> ResponsesClientFormatter:
    return ResponsesClientFormatter(request, transaction_id, created)

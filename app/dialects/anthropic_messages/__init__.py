"""Anthropic's messages: what a client sends and reads, to and from the common form."""

from app.dialects.anthropic_messages.dialect import DIALECT
from app.dialects.anthropic_messages.request_decoding import decode_request
from app.dialects.anthropic_messages.request_encoding import encode_request
from app.dialects.anthropic_messages.response_encoding import encode_response

__all__ = ["DIALECT", "decode_request", "encode_request", "encode_response"]

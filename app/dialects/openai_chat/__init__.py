"""OpenAI's chat completions: what a client sends and reads, to and from the common form."""

from app.dialects.openai_chat.dialect import DIALECT
from app.dialects.openai_chat.request_decoding import decode_request
from app.dialects.openai_chat.request_encoding import encode_request
from app.dialects.openai_chat.response_encoding import encode_response

__all__ = ["DIALECT", "decode_request", "encode_request", "encode_response"]

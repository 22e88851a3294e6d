"""OpenAI's Responses API: what a client sends and reads, to and from the common form."""

from app.dialects.openai_responses.dialect import DIALECT
from app.dialects.openai_responses.request_decoding import decode_request
from app.dialects.openai_responses.request_encoding import encode_request
from app.dialects.openai_responses.response_encoding import encode_response

__all__ = ["DIALECT", "decode_request", "encode_request", "encode_response"]

"""The dialects that clients speak: a package for each, and beside them what they share.

A package holds: wire (what the API defines), request decoding and encoding, response encoding, the client formatter (a
response as SSE), errors, models; its `dialect` module brings them together as one object. This is the only list of
these objects; the order counts where the dialect of a request on no model route is guessed (`RequestDialect.is_asked`).
"""

from app.dialects import anthropic_messages, openai_chat, openai_completions, openai_embeddings, openai_responses
from app.dialects.dialect import (
    DIALECTS,
    ClientDialect,
    RequestDialect,
    StreamingDialect,
    client_dialects,
    dialect_of,
    register,
    streaming_dialects,
)
from app.dialects.errors import RenderedError
from app.dialects.passthrough import StreamFormatter

__all__ = [
    "DIALECTS",
    "ClientDialect",
    "RenderedError",
    "RequestDialect",
    "StreamFormatter",
    "StreamingDialect",
    "client_dialects",
    "dialect_of",
    "register",
    "streaming_dialects",
]

for _package in (openai_chat, anthropic_messages, openai_responses, openai_completions, openai_embeddings):
    register(_package.DIALECT)

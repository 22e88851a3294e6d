"""The dialects that clients speak, each a package of pure functions behind one face.

A package holds: wire (what the API defines), request decoding and encoding, response encoding, the client formatter (a
response as SSE), errors, models. What they share lies beside them. How much of it a dialect has is its protocol:
`ClientDialect` is a whole API, the others are single routes of OpenAI's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.dialects import anthropic_messages, openai_chat, openai_completions, openai_responses
from app.dialects.errors import RenderedError
from app.dialects.formatter import Formatter
from app.errors import GatewayError
from app.messages import Dialect, ModelResponse, Request

__all__ = [
    "DIALECTS",
    "STREAMING",
    "ClientDialect",
    "Formatter",
    "RenderedError",
    "RequestDialect",
    "StreamingDialect",
]


class RequestDialect(Protocol):
    """What every model route needs of its dialect."""

    name: Dialect

    def decode_request(self, body: dict[str, Any], headers: Mapping[str, str]) -> Request: ...

    def encode_response(self, response: ModelResponse, request: Request) -> dict[str, Any]: ...

    def render_error(self, error: GatewayError, request_id: str) -> RenderedError: ...


class StreamingDialect(RequestDialect, Protocol):
    def formatter(self, request: Request, transaction_id: str, created: int) -> Formatter: ...


class ClientDialect(StreamingDialect, Protocol):
    def encode_request(self, request: Request) -> dict[str, Any]:
        """The body for a provider that speaks this dialect; what cannot be said in it raises `InvalidRequest`."""

    def render_models(self, names: Sequence[str], created: int, query: Mapping[str, str]) -> dict[str, Any]: ...

    def render_model(self, name: str, created: int) -> dict[str, Any]: ...


DIALECTS: dict[Dialect, ClientDialect] = {
    "openai_chat": openai_chat,
    "anthropic_messages": anthropic_messages,
    "openai_responses": openai_responses,
}
STREAMING: dict[Dialect, StreamingDialect] = {**DIALECTS, "openai_completions": openai_completions}

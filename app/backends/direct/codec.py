"""What the module for one API of providers gives the backend: how it is asked, and how its answers are read. Pure.

A codec is made for one deployment and serves all requests to it. A `StreamDecoder` is made for one stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from app.backends.error_bodies import Scrub
from app.dialects.fast_path import Run
from app.messages import Dialect, ModelResponse, Operation, Request


class UpstreamRequest(msgspec.Struct, frozen=True):
    """An HTTP request to a provider; without a body where `method` has none."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any] | msgspec.Raw | None
    method: str = "POST"


class ProviderCodec(Protocol):
    """One API of a provider. All but `encode` is for answers that are not streamed."""

    dialect: Dialect
    url: str

    def encode(self, request: Request, stream: bool) -> UpstreamRequest: ...

    def decode_plain(self, body: bytes) -> ModelResponse | None:
        """The response in a whole body of the most frequent form, which goes to clients as it came, found without a
        look at the rest of it; None for all others."""

    def parse(self, body: bytes, scrub: Scrub) -> dict[str, Any]:
        """The JSON of a whole body. Raises a `BackendError` for a body that is none, or that is an error."""

    def mend(self, body: dict[str, Any]) -> bool:
        """Put right in place what no client of this API could use; whether anything was. All else stays as it came."""

    def decode_response(self, body: dict[str, Any]) -> ModelResponse: ...


class StreamDecoder(Protocol):
    """Server-sent events of one stream to chunks."""

    dialect: Dialect
    ended: bool
    """The terminal event has come."""

    def quick(self, name: bytes, events: Sequence[bytes], at: int = 0) -> Run | None:
        """The event at this place among some of one name that came in a row, given by their data, if it is one of the
        most frequent, found without a look at the rest of it; and those behind it that go on with the same text. None
        for all others."""

    def mend(self, event: dict[str, Any]) -> bool:
        """Put right in place what no client of this API could use; whether anything was. All else stays as it came."""

    def chunk(self, event: dict[str, Any]) -> ModelResponse: ...

    def bare(self) -> ModelResponse:
        """A chunk without content: all of it is in its bytes."""

    def done(self) -> None:
        """Take note that OpenAI's `[DONE]` came. Raises ProviderFailed where it is no end: why the answer ended has not
        been said."""

    def may_end(self) -> bool:
        """Whether the body may end here although the terminal event has not come."""


class StreamCodec(ProviderCodec, Protocol):
    def decoder(self, request: Request) -> StreamDecoder:
        """The decoder of the stream that answers this request."""


class TokenCountCodec(Protocol):
    """The API by which a provider counts the tokens of a request; its answer is JSON with `input_tokens`."""

    def encode_count(self, request: Request) -> UpstreamRequest: ...


@dataclass(frozen=True, kw_only=True)
class Codecs:
    """The APIs by which one deployment is asked, all at one origin."""

    chat: StreamCodec
    text_completion: StreamCodec | None = None
    embeddings: ProviderCodec | None = None
    token_count: TokenCountCodec | None = None
    """Without one, tokens are estimated."""

    def of(self, operation: Operation) -> ProviderCodec:
        if operation == "chat":
            return self.chat
        if operation == "embeddings" and self.embeddings is not None:
            return self.embeddings
        return self.of_stream(operation)

    def of_stream(self, operation: Operation) -> StreamCodec:
        if operation == "text_completion" and self.text_completion is not None:
            return self.text_completion
        return self.chat

"""How a provider is asked for embeddings and legacy completions: with the client's own body, but for the model's name.

Where a policy changed the request, or the operator takes a field away, the body is encoded anew. Pure.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from app.backends.direct.bodies import NOT_JSON, decode_json, parse_body
from app.backends.direct.codec import UpstreamRequest
from app.backends.direct.dropped_fields import without_fields
from app.backends.direct.endpoint import endpoint_of
from app.backends.direct.errors import unexpected_body
from app.backends.direct.openai_chat import OpenAIHeaders
from app.backends.direct.openai_urls import key_headers, url_beside_chat
from app.backends.direct.parameters import finished, operator_of, with_defaults_of
from app.backends.error_bodies import Scrub
from app.backends.error_reports import is_error
from app.backends.short_ids import with_short_ids
from app.dialects import openai_completions, openai_embeddings
from app.dialects.json_splice import with_values
from app.dialects.openai_completions.response_decoding import ResponseDecoder, decode_response, mend_response
from app.messages import Dialect, ModelResponse, Request
from app.settings import Deployment

_decode_shallow = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _PassthroughCodec:
    """A codec whose body is the client's own, with the provider's name of the model; `resource` ends its URL."""

    def __init__(self, deployment: Deployment, resource: str, encode: Callable[[Request], dict[str, Any]]) -> None:
        endpoint = endpoint_of(deployment)
        self.url = url_beside_chat(endpoint, resource)
        self._model = endpoint.model
        self._quirks = endpoint.quirks
        self._operator = operator_of(deployment.params)
        self._headers = OpenAIHeaders(key_headers(endpoint, deployment.params), self._operator)
        self._encode = encode

    def encode(self, request: Request, stream: bool) -> UpstreamRequest:
        return UpstreamRequest(self.url, self._headers.of(request.headers, stream), self._body(request, stream))

    def decode_plain(self, body: bytes) -> ModelResponse | None:
        return None

    def _body(self, request: Request, stream: bool) -> dict[str, Any] | msgspec.Raw:
        client = self._encode(request)
        body = with_defaults_of(self._operator, client, request.max_tokens is not None)
        body["model"] = self._model
        if stream and self._quirks.stream_options and not request.include_usage:
            body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
        body = with_short_ids(without_fields(body, self._quirks.dropped - self._operator.allowed))
        body = finished(self._operator, body)
        if (raw := request.raw) is None or client.keys() - body.keys():
            return body
        changed = {name: value for name, value in body.items() if name not in client or value is not client[name]}
        return msgspec.Raw(with_values(raw, changed))


class CompletionsCodec(_PassthroughCodec):
    """Legacy completions."""

    dialect: Dialect = "openai_completions"
    parse = staticmethod(parse_body)

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment, "/completions", openai_completions.encode_request)

    def decoder(self, request: Request) -> ResponseDecoder:
        return ResponseDecoder()

    def mend(self, body: dict[str, Any]) -> bool:
        return mend_response(body)

    def decode_response(self, body: dict[str, Any]) -> ModelResponse:
        return decode_response(body)


class EmbeddingsCodec(_PassthroughCodec):
    """Embeddings. The vectors are not decoded: there may be millions of numbers."""

    dialect: Dialect = "openai_embeddings"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment, "/embeddings", openai_embeddings.encode_request)

    def parse(self, body: bytes, scrub: Scrub) -> dict[str, Any]:
        try:
            fields = _decode_shallow(body)
        except NOT_JSON:
            return parse_body(body, scrub)
        parsed = {name: decode_json(value) for name, value in fields.items() if name != "data"}
        if is_error(parsed):
            raise unexpected_body("an error", body, scrub)
        return parsed | ({"data": fields["data"]} if bytes(fields.get("data", b""))[:1] == b"[" else {})

    def mend(self, body: dict[str, Any]) -> bool:
        return False

    def decode_response(self, body: dict[str, Any]) -> ModelResponse:
        return openai_embeddings.decode_response(body)

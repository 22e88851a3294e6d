"""How a provider is asked for embeddings and legacy completions: with the client's own body, but for the model's name.

Where a policy changed the request, or the operator takes a field away, the body is encoded anew. Pure.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from app.backends.direct.backend import Ask
from app.backends.direct.bodies import parse_body
from app.backends.direct.errors import Scrub, is_error, no_answer
from app.backends.direct.json_reading import NOT_JSON, decode_json
from app.backends.direct.openai import all_headers, asks_for_usage
from app.backends.direct.openai_address import azure_version, key_headers, url_beside_chat
from app.backends.direct.parameters import merged, operator_of
from app.backends.direct.providers import Provider, provider_for, route_of
from app.dialects import openai_completions, openai_embeddings
from app.dialects.openai_completions.response_decoding import ResponseDecoder, decode_response
from app.dialects.own_bytes import with_values
from app.messages import Dialect, ModelResponse, Native, Request
from app.settings import Deployment

_decode_shallow = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _PassingWire:
    """What both have in common; `resource` is the end of the address."""

    def __init__(self, deployment: Deployment, resource: str, encode: Callable[[Request], dict[str, Any]]) -> None:
        params = deployment.params
        route = route_of(deployment.model, params)
        if route is None or route.backend != "openai":
            raise ValueError(f"{deployment.model!r} names no OpenAI-compatible model")
        version = azure_version(route, params)
        self.url = url_beside_chat(route, version, resource)
        self._model = route.model
        self._provider: Provider = provider_for(route)
        self._takes_usage = asks_for_usage(self._provider, version)
        self._operator = operator_of(params)
        self._headers = key_headers(route, params)
        self._encode = encode

    def ask(self, request: Request, stream: bool) -> Ask:
        headers = all_headers(request.headers, stream, self._headers, self._operator)
        return Ask(self.url, headers, self._body(request, stream))

    def ask_count(self, request: Request) -> Ask | None:
        return None

    def _body(self, request: Request, stream: bool) -> dict[str, Any] | msgspec.Raw:
        said = self._encode(request)
        body = merged(self._operator, said, request.max_tokens is not None)
        body["model"] = self._operator.extra_body.get("model", self._model)
        if stream and self._takes_usage and not request.include_usage:
            body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
        body = {name: value for name, value in body.items() if name not in self._provider.dropped}
        if request.raw is None or said.keys() - body.keys():
            return body
        changed = {name: value for name, value in body.items() if name not in said or value is not said[name]}
        return msgspec.Raw(with_values(request.raw, changed))


class CompletionsWire(_PassingWire):
    dialect: Dialect = "openai_completions"
    parse = staticmethod(parse_body)

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment, "/completions", openai_completions.encode_request)

    def decoder(self) -> ResponseDecoder:
        return ResponseDecoder()

    def decode_response(self, body: dict[str, Any], native: Native) -> ModelResponse:
        return decode_response(body, native)


class EmbeddingsWire(_PassingWire):
    """The vectors are not looked into: there may be millions of numbers."""

    dialect: Dialect = "openai_embeddings"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment, "/embeddings", openai_embeddings.encode_request)

    def parse(self, body: bytes, scrub: Scrub) -> dict[str, Any]:
        try:
            said = _decode_shallow(body)
        except NOT_JSON:
            return parse_body(body, scrub)
        parsed = {name: decode_json(value) for name, value in said.items() if name != "data"}
        if is_error(parsed):
            raise no_answer("an error", body, scrub)
        return parsed | ({"data": said["data"]} if bytes(said.get("data", b""))[:1] == b"[" else {})

    def decode_response(self, body: dict[str, Any], native: Native) -> ModelResponse:
        return openai_embeddings.decode_response(body, native)

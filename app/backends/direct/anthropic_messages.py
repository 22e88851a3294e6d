"""How Anthropic's messages API is asked for an answer, and for a count of tokens. Pure."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from msgspec.structs import replace

from app.addresses import split_base
from app.backends.direct.bodies import parse_body
from app.backends.direct.codec import Codecs, UpstreamRequest
from app.backends.direct.endpoint import endpoint_of, with_authorization
from app.backends.direct.parameters import (
    finished,
    operator_of,
    with_defaults,
    with_defaults_of,
    without_dropped,
)
from app.backends.direct.queries import with_query
from app.backends.thinking_history import takes_unsigned_thinking
from app.dialects.anthropic_messages.mending import mend_response
from app.dialects.anthropic_messages.plain_response import decode_plain
from app.dialects.anthropic_messages.request_encoding import encode_request
from app.dialects.anthropic_messages.response_decoding import ResponseDecoder, decode_response
from app.messages import Dialect, ModelResponse, Request
from app.settings import Deployment

_PATH = "/v1/messages"
_VERSION = "2023-06-01"
_BETA = "anthropic-beta"
_COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "mcp_servers"}
)
"""Fields by which a count is asked for, whoever sends them."""
_NOT_COUNTED = frozenset({"metadata", "service_tier"})
"""Fields of a message that no count takes. All others of a client of this API go on: one of a newer capability comes
with its `anthropic-beta`, and either without the other is refused."""


class AnthropicCodec:
    dialect: Dialect = "anthropic_messages"
    parse = staticmethod(parse_body)
    decode_plain = staticmethod(decode_plain)

    def __init__(self, deployment: Deployment) -> None:
        endpoint = endpoint_of(deployment)
        self._model = endpoint.model
        self._operator = operator_of(deployment.params)
        self._unsigned_thinking = takes_unsigned_thinking(endpoint.provider, deployment.params)
        self.url = _url(endpoint.base)
        key = deployment.params.get("api_key")
        self._headers = with_authorization({"x-api-key": str(key)} if key else {}, endpoint, deployment.params)

    def encode(self, request: Request, stream: bool) -> UpstreamRequest:
        url = self._with_query(self.url, request)
        return UpstreamRequest(url, self._all_headers(request, stream), self._body(request, stream))

    def encode_count(self, request: Request) -> UpstreamRequest:
        counted = _COUNTED | (request.extra.keys() - _NOT_COUNTED)
        body = {name: value for name, value in self._body(request, False).items() if name in counted}
        parts = urlsplit(self.url)
        url = self._with_query(urlunsplit(parts._replace(path=parts.path + "/count_tokens")), request)
        return UpstreamRequest(url, self._all_headers(request, False), body)

    def decoder(self, request: Request) -> ResponseDecoder:
        return ResponseDecoder()

    def mend(self, body: dict[str, Any]) -> bool:
        return mend_response(body)

    def decode_response(self, body: dict[str, Any]) -> ModelResponse:
        return decode_response(body)

    def _body(self, request: Request, stream: bool) -> dict[str, Any]:
        filled, operator = with_defaults(request, self._operator)
        named = replace(without_dropped(filled, operator), model=self._model)
        encoded = encode_request(named, self._unsigned_thinking)
        body = with_defaults_of(operator, encoded, client_set_limit=True)
        body["model"] = self._model
        body.pop("stream", None)
        if stream:
            body["stream"] = True
        return finished(operator, body)

    def _with_query(self, url: str, request: Request) -> str:
        return with_query(url, request.query) if request.query and request.dialect == self.dialect else url

    def _all_headers(self, request: Request, stream: bool) -> dict[str, str]:
        forwarded = request.headers if request.dialect == self.dialect else {}
        headers = {
            "anthropic-version": _VERSION,
            **forwarded,
            "accept": "text/event-stream" if stream else "application/json",
            **self._headers,
            **self._operator.headers,
        }
        if _BETA in forwarded and _BETA in self._operator.headers:
            both = [*self._operator.headers[_BETA].split(","), *forwarded[_BETA].split(",")]
            headers[_BETA] = ",".join(dict.fromkeys(name.strip() for name in both))
        return headers


def anthropic_codecs(deployment: Deployment) -> Codecs:
    codec = AnthropicCodec(deployment)
    return Codecs(chat=codec, token_count=codec)


def _url(base: str) -> str:
    parts = split_base(base)
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else path.removesuffix("/v1") + _PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

"""How a provider of Anthropic's messages is asked: address, headers and body. Pure."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.backends.direct.backend import Ask
from app.backends.direct.bodies import parse_body
from app.backends.direct.parameters import merged, operator_of, with_defaults
from app.backends.direct.providers import route_of
from app.dialects.anthropic_messages.request_encoding import encode_request
from app.dialects.anthropic_messages.response_decoding import ResponseDecoder, decode_response
from app.dialects.headers import ANTHROPIC, kept
from app.messages import Dialect, ModelResponse, Native, Request
from app.settings import Deployment

_PATH = "/v1/messages"
_VERSION = "2023-06-01"
_BETA = "anthropic-beta"
_COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "mcp_servers"}
)


class AnthropicWire:
    dialect: Dialect = "anthropic_messages"
    parse = staticmethod(parse_body)

    def __init__(self, deployment: Deployment) -> None:
        route = route_of(deployment.model, deployment.params)
        if route is None or route.backend != "anthropic" or not route.model:
            raise ValueError(
                f"{deployment.model!r} names no model; expected something like anthropic/claude-sonnet-4-5"
            )
        self._model = route.model
        self._operator = operator_of(deployment.params)
        self.url = _url(route.base)
        key = deployment.params.get("api_key")
        self._headers = {"x-api-key": str(key)} if key else {}

    def ask(self, request: Request, stream: bool) -> Ask:
        return Ask(self.url, self._all_headers(request, stream), self._body(request, stream))

    def ask_count(self, request: Request) -> Ask | None:
        body = {name: value for name, value in self._body(request, False).items() if name in _COUNTED}
        parts = urlsplit(self.url)
        url = urlunsplit(parts._replace(path=parts.path + "/count_tokens"))
        return Ask(url, self._all_headers(request, False), body)

    def decoder(self) -> ResponseDecoder:
        return ResponseDecoder()

    def decode_response(self, body: dict[str, Any], native: Native) -> ModelResponse:
        return decode_response(body, native)

    def _body(self, request: Request, stream: bool) -> dict[str, Any]:
        filled, operator = with_defaults(request, self._operator)
        body = merged(operator, encode_request(filled), client_set_limit=True)
        body["model"] = operator.extra_body.get("model", self._model)
        body.pop("stream", None)
        return {**body, "stream": True} if stream else body

    def _all_headers(self, request: Request, stream: bool) -> dict[str, str]:
        forwarded = kept(request.headers, ANTHROPIC) if request.dialect == self.dialect else {}
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


def _url(base: str) -> str:
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"api_base {base!r} is not an http(s) address")
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else path.removesuffix("/v1") + _PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

"""How a provider of OpenAI's chat completions is asked: headers and body. Pure."""

from collections.abc import Mapping
from typing import Any

from app.backends.direct.backend import Ask
from app.backends.direct.bodies import parse_body
from app.backends.direct.openai_address import azure_version, chat_url, key_headers
from app.backends.direct.parameters import Operator, merged, operator_of
from app.backends.direct.providers import Provider, Route, provider_for, route_of
from app.dialects.headers import OPENAI, kept
from app.dialects.openai_chat.request_encoding import encode_request
from app.dialects.openai_chat.response_decoding import ResponseDecoder, decode_response
from app.messages import Dialect, ModelResponse, Native, Request
from app.settings import Deployment

_AZURE_KNOWS_STREAM_OPTIONS = "2024-09-01"


class OpenAIWire:
    dialect: Dialect = "openai_chat"
    parse = staticmethod(parse_body)

    def __init__(self, deployment: Deployment) -> None:
        route = openai_route(deployment)
        params = deployment.params
        self._model = route.model
        self._provider = provider_for(route)
        self._operator = operator_of(params)
        self._version = azure_version(route, params)
        self.url = chat_url(route, self._version)
        self._headers = key_headers(route, params)

    def ask(self, request: Request, stream: bool) -> Ask:
        client = request.headers if request.dialect == self.dialect else {}
        headers = all_headers(client, stream, self._headers, self._operator)
        return Ask(self.url, headers, self._body(request, stream))

    def ask_count(self, request: Request) -> Ask | None:
        return None

    def decoder(self) -> ResponseDecoder:
        return ResponseDecoder()

    def decode_response(self, body: dict[str, Any], native: Native) -> ModelResponse:
        return decode_response(body, native)

    def _body(self, request: Request, stream: bool) -> dict[str, Any]:
        body = merged(self._operator, encode_request(request), request.max_tokens is not None)
        body["model"] = self._operator.extra_body.get("model", self._model)
        if request.top_k is not None and self._provider.takes_top_k:
            body["top_k"] = request.top_k
        options = body.pop("stream_options", None) or {}
        body.pop("stream", None)
        if stream:
            body["stream"] = True
            if asks_for_usage(self._provider, self._version):
                body["stream_options"] = {**options, "include_usage": True}
        return _in_its_words(body, self._provider)


def openai_route(deployment: Deployment) -> Route:
    """Raises ValueError, with a text for the operator, where it leads to no model of an OpenAI-compatible provider."""
    route = route_of(deployment.model, deployment.params)
    if route is None or route.backend != "openai" or not route.model:
        raise ValueError(
            f"{deployment.model!r} names no model, or has no api_base; expected something like openai/gpt-5"
        )
    return route


def all_headers(client: Mapping[str, str], stream: bool, key: Mapping[str, str], operator: Operator) -> dict[str, str]:
    """What a client may say, and over it what the gateway and its operator do."""
    accept = {"accept": "text/event-stream" if stream else "application/json"}
    return {**kept(client, OPENAI), **accept, **key, **operator.headers}


def asks_for_usage(provider: Provider, version: str | None) -> bool:
    """Whether it understands the wish for usage in a stream; `version` is Azure's."""
    if version is not None and version[:4].isdecimal():
        return version[:10] >= _AZURE_KNOWS_STREAM_OPTIONS
    return provider.takes_stream_options


def _in_its_words(body: dict[str, Any], provider: Provider) -> dict[str, Any]:
    if not provider.modern:
        if "max_completion_tokens" in body:
            body.setdefault("max_tokens", body.pop("max_completion_tokens"))
        body["messages"] = [
            {**message, "role": "system"} if message.get("role") == "developer" else message
            for message in body["messages"]
        ]
    for old, new in provider.renamed:
        if old in body:
            body[new] = body.pop(old)
    return {name: value for name, value in body.items() if name not in provider.dropped}

"""How a provider of OpenAI's Responses API is asked: headers and body, and what it keeps. Pure."""

from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec.structs import replace

from app.backends.direct.backend import Ask
from app.backends.direct.bodies import parse_body
from app.backends.direct.openai import all_headers, openai_route
from app.backends.direct.openai_address import azure_version, key_headers, responses_url
from app.backends.direct.parameters import Operator, merged, operator_of, replace_defaults, with_defaults
from app.backends.stored import StoredCall
from app.dialects.openai_responses.request_encoding import encode_request
from app.dialects.openai_responses.response_decoding import ResponseDecoder, decode_response
from app.messages import Dialect, ModelResponse, Native, Request
from app.settings import Deployment

_MERGED = ("reasoning", "text")
"""Options that are objects: what the client leaves out of them is the operator's to say."""


def _in_its_words(operator: Operator) -> Operator:
    """What chat completions have at the top and the API within an object."""
    defaults = dict(operator.defaults)
    if (verbosity := defaults.pop("verbosity", None)) is not None:
        defaults["text"] = {"verbosity": verbosity, **defaults.get("text", {})}
    return replace_defaults(operator, defaults)


class ResponsesWire:
    dialect: Dialect = "openai_responses"
    parse = staticmethod(parse_body)

    def __init__(self, deployment: Deployment) -> None:
        params = deployment.params
        route = openai_route(deployment)
        self._model = route.model
        self._operator = _in_its_words(operator_of(params))
        self.url = responses_url(route, azure_version(route, params))
        self._headers = key_headers(route, params)

    def ask(self, request: Request, stream: bool) -> Ask:
        headers = request.headers if request.dialect in ("openai_responses", "openai_chat") else {}
        return Ask(self.url, self._all_headers(headers, stream), self._body(request, stream))

    def ask_count(self, request: Request) -> Ask | None:
        return None

    def ask_stored(self, call: StoredCall) -> Ask:
        parts = urlsplit(self.url)
        path = f"{parts.path}/{quote(call.response_id, safe='')}{call.tail}"
        query = "&".join(text for text in (parts.query, call.query) if text)
        url = urlunsplit(parts._replace(path=path, query=query))
        return Ask(url, self._all_headers(call.headers, call.stream), None, call.method)

    def decoder(self) -> ResponseDecoder:
        return ResponseDecoder()

    def decode_response(self, body: dict[str, Any], native: Native) -> ModelResponse:
        return decode_response(body, native)

    def _all_headers(self, client: dict[str, str], stream: bool) -> dict[str, str]:
        return all_headers(client, stream, self._headers, self._operator)

    def _body(self, request: Request, stream: bool) -> dict[str, Any]:
        filled, operator = with_defaults(request, self._operator)
        # The API has no stop sequences; those of a client are refused, the operator's would be for every request.
        body = encode_request(replace(filled, stop=request.stop))
        for name in _MERGED:
            if isinstance(default := operator.defaults.get(name), dict) and name in body:
                body[name] = {**default, **body[name]}
        body = merged(operator, body, client_set_limit=True)
        body["model"] = operator.extra_body.get("model", self._model)
        body.pop("stream", None)
        return {**body, "stream": True} if stream else body

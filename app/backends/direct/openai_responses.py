"""How OpenAI's Responses API is asked for a response, and about one that the provider keeps. Pure."""

import dataclasses
import re
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec.structs import replace

from app.backends.direct.bodies import parse_body
from app.backends.direct.codec import UpstreamRequest
from app.backends.direct.dropped_fields import without_fields
from app.backends.direct.endpoint import endpoint_of
from app.backends.direct.openai_chat import OpenAIHeaders
from app.backends.direct.openai_urls import key_headers, responses_url
from app.backends.direct.parameters import (
    Operator,
    finished,
    operator_of,
    with_defaults,
    with_defaults_of,
    without_dropped,
)
from app.backends.short_ids import with_short_ids
from app.backends.stored_responses import StoredCall
from app.backends.thinking_history import history_of
from app.dialects import dialect_of
from app.dialects.openai_responses.mending import mend_response
from app.dialects.openai_responses.plain_response import decode_plain
from app.dialects.openai_responses.request_encoding import encode_request
from app.dialects.openai_responses.response_decoding import ResponseDecoder, decode_response
from app.dialects.openai_responses.wire import NAME, PROVIDER
from app.messages import Dialect, ModelResponse, Request
from app.settings import Deployment

_MERGED = ("reasoning", "text")
"""Options that are objects: fields that a client leaves out of them are filled with the operator's."""


def _nested(operator: Operator) -> Operator:
    """The operator's defaults with those options nested that only chat completions have at the top of the body."""
    defaults = dict(operator.defaults)
    if (verbosity := defaults.pop("verbosity", None)) is not None:
        defaults["text"] = {"verbosity": verbosity, **defaults.get("text", {})}
    return dataclasses.replace(operator, defaults=defaults)


_GATEWAYS_ITEM = re.compile(r"rs_.+_\d+")


def _is_gateways_thinking(item: dict[str, Any]) -> bool:
    """Whether an item is thinking of another model's, as this gateway shows it: OpenAI looks for the id and answers
    that it knows none such, unless the item brings its encrypted content."""
    if item.get("type") != "reasoning" or item.get("encrypted_content"):
        return False
    return not item.get("id") or _GATEWAYS_ITEM.fullmatch(str(item["id"])) is not None


class ResponsesCodec:
    dialect: Dialect = NAME
    parse = staticmethod(parse_body)
    decode_plain = staticmethod(decode_plain)

    def __init__(self, deployment: Deployment) -> None:
        endpoint = endpoint_of(deployment)
        self._model = endpoint.model
        self._quirks = endpoint.quirks
        self._refuses_thinking = history_of(endpoint.provider, endpoint.model, deployment.params).fields == ()
        self._operator = _nested(operator_of(deployment.params))
        self.url = responses_url(endpoint)
        self._headers = OpenAIHeaders(key_headers(endpoint, deployment.params), self._operator)

    def encode(self, request: Request, stream: bool) -> UpstreamRequest:
        headers = request.headers if dialect_of(request).provider == PROVIDER else {}
        return UpstreamRequest(self.url, self._headers.of(headers, stream), self._body(request, stream))

    def encode_stored(self, call: StoredCall) -> UpstreamRequest:
        parts = urlsplit(self.url)
        path = f"{parts.path}/{quote(call.response_id, safe='')}{call.tail}"
        query = "&".join(text for text in (parts.query, call.query) if text)
        url = urlunsplit(parts._replace(path=path, query=query))
        return UpstreamRequest(url, self._headers.of(call.headers, call.stream), None, call.method)

    def decoder(self, request: Request) -> ResponseDecoder:
        return ResponseDecoder()

    def stored_decoder(self) -> ResponseDecoder:
        """The decoder of a stream that the provider kept."""
        return ResponseDecoder()

    def mend(self, body: dict[str, Any]) -> bool:
        return mend_response(body)

    def decode_response(self, body: dict[str, Any]) -> ModelResponse:
        return decode_response(body)

    def _body(self, request: Request, stream: bool) -> dict[str, Any]:
        filled, operator = with_defaults(request, self._operator)
        # The API has no stop sequences; those of a client are refused, the operator's would be for every request.
        body = encode_request(without_dropped(replace(filled, stop=request.stop), operator))
        for name in _MERGED:
            if isinstance(default := operator.defaults.get(name), dict) and name in body:
                body[name] = {**default, **body[name]}
        if self._refuses_thinking and isinstance(body.get("input"), list):
            body["input"] = [item for item in body["input"] if not _is_gateways_thinking(item)]
        body = with_defaults_of(operator, body, client_set_limit=True)
        body["model"] = self._model
        body.pop("stream", None)
        body = with_short_ids(without_fields(body, self._refused(body) - operator.allowed))
        return finished(operator, {**body, "stream": True} if stream else body)

    def _refused(self, body: dict[str, Any]) -> frozenset[str]:
        """The fields that the model refuses. The two APIs have the names of these in common."""
        effort = (body.get("reasoning") or {}).get("effort")
        more = self._quirks.dropped_in_reasoning if effort not in (None, "none") else frozenset()
        return self._quirks.dropped | more

"""How OpenAI's chat completions are asked for, at OpenAI and at everybody who imitates its API. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from app.backends.direct.adapted_body import adapted
from app.backends.direct.bodies import parse_body
from app.backends.direct.codec import UpstreamRequest
from app.backends.direct.endpoint import endpoint_of
from app.backends.direct.openai_urls import chat_url, key_headers
from app.backends.direct.parameters import Operator, finished, operator_of, with_defaults_of
from app.backends.short_ids import with_short_ids
from app.backends.thinking_history import history_of, with_thinking
from app.dialects.headers import kept
from app.dialects.openai_chat.mending import mend_response
from app.dialects.openai_chat.plain_response import decode_plain
from app.dialects.openai_chat.request_encoding import encode_request
from app.dialects.openai_chat.response_decoding import ResponseDecoder, decode_response
from app.dialects.openai_chat.wire import FORWARDED_HEADERS
from app.dialects.translation.call_ids import CallIdForm, with_fitting_ids
from app.dialects.translation.tool_names import to_openai
from app.messages import Dialect, ModelResponse, Request
from app.providers import Quirks
from app.settings import Deployment


class OpenAIChatCodec:
    dialect: Dialect = "openai_chat"
    parse = staticmethod(parse_body)
    decode_plain = staticmethod(decode_plain)

    def __init__(self, deployment: Deployment) -> None:
        endpoint = endpoint_of(deployment)
        self._model = endpoint.model
        self._quirks = endpoint.quirks
        self._thinking = history_of(endpoint.provider, endpoint.model, deployment.params)
        self._call_ids = _call_ids(endpoint.quirks)
        self._operator = operator_of(deployment.params)
        self.url = chat_url(endpoint)
        self._headers = OpenAIHeaders(key_headers(endpoint, deployment.params), self._operator)

    def encode(self, request: Request, stream: bool) -> UpstreamRequest:
        client = request.headers if request.dialect == self.dialect else {}
        return UpstreamRequest(self.url, self._headers.of(client, stream), self._body(request, stream))

    def decoder(self, request: Request) -> ResponseDecoder:
        names = [tool.name for tool in request.tools]
        is_followed = request.dialect == self.dialect
        return ResponseDecoder({*names, *map(to_openai, names)}, is_followed=is_followed)

    def mend(self, body: dict[str, Any]) -> bool:
        return mend_response(body)

    def decode_response(self, body: dict[str, Any]) -> ModelResponse:
        return decode_response(body)

    def _body(self, request: Request, stream: bool) -> dict[str, Any]:
        if self._call_ids is not None:
            request = with_fitting_ids(request, self._call_ids)
        operator = self._operator
        body = encode_request(request, self._quirks.custom_tools)
        if operator.defaults:
            body = with_defaults_of(operator, body, request.max_tokens is not None)
        body["messages"] = with_thinking(body, self._thinking, request.dialect == self.dialect)
        body["model"] = self._model
        if request.top_k is not None and self._quirks.top_k:
            body["top_k"] = request.top_k
        options = body.pop("stream_options", None) or {}
        body.pop("stream", None)
        if stream:
            body["stream"] = True
            if self._quirks.stream_options:
                body["stream_options"] = {**options, "include_usage": True}
        body = with_short_ids(adapted(body, self._quirks, operator.allowed))
        return finished(operator, body) if operator.extra_body or operator.dropped else body


def _call_ids(quirks: Quirks) -> CallIdForm | None:
    longest = quirks.longest_call_id
    if longest is None:
        return None
    exact = quirks.alphanumeric_call_ids
    legal = rf"[a-zA-Z0-9]{{{longest}}}" if exact else rf"(?s).{{1,{longest}}}"
    return CallIdForm(re.compile(legal), longest, exact=exact)


class OpenAIHeaders:
    """The headers of a deployment's requests: what is the same for all of them is put together once."""

    def __init__(self, key: Mapping[str, str], operator: Operator) -> None:
        self._whole = {"accept": "application/json", **key, **operator.headers}
        self._stream = {"accept": "text/event-stream", **key, **operator.headers}

    def of(self, client: Mapping[str, str], stream: bool) -> dict[str, str]:
        """The client's headers that are forwarded, overridden by the gateway's and the operator's."""
        ours = self._stream if stream else self._whole
        return {**kept(client, FORWARDED_HEADERS), **ours}

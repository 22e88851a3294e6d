"""OpenAI's embeddings: texts in, vectors out. Nothing of it is streamed.

An input is a user's message of its own. The vectors, numbers or base64, stand in the response's `extra` under `data`,
as they came; a response has no choices, as nothing in it is said by a model.
"""

import base64
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Required, TypedDict

from msgspec import Meta

from app.dialects.dialect import RequestDialect
from app.dialects.headers import kept
from app.dialects.inputs import decode_inputs, encode_inputs
from app.dialects.openai_chat.errors import render_error
from app.dialects.openai_chat.usage_decoding import usage_of
from app.dialects.openai_chat.wire import FORWARDED_HEADERS
from app.dialects.validation import check, missing_field, rest
from app.messages import Dialect, ModelResponse, Operation, Request

__all__ = ["DIALECT", "decode_request", "decode_response", "encode_request", "encode_response"]

NAME: Dialect = "openai_embeddings"
OPERATION: Operation = "embeddings"


class Body(TypedDict, total=False):
    """The fields that the gateway looks into. `input` is checked by `decode_inputs`."""

    model: Required[Annotated[str, Meta(min_length=1)]]
    input: Any
    encoding_format: str | None
    dimensions: Annotated[int, Meta(ge=1)] | None
    user: str | None


_DECODED = frozenset(["model", "input", "user"])


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """Decode a body that `parse_body` gave. Raises InvalidRequest with the path of the field at fault."""
    fields = check(body, Body)
    if fields.get("input") is None:
        raise missing_field("input")
    return Request(
        dialect=NAME,
        operation=OPERATION,
        model=fields["model"],
        messages=decode_inputs(fields["input"], "input", NAME),
        user=fields.get("user"),
        extra=rest(body, _DECODED),
        headers=kept(headers, FORWARDED_HEADERS),
    )


def encode_request(request: Request) -> dict[str, Any]:
    """The body for a provider of the same dialect."""
    user = {} if request.user is None else {"user": request.user}
    return {"model": request.model, "input": encode_inputs(request.messages), **request.extra, **user}


def decode_response(body: dict[str, Any]) -> ModelResponse:
    return ModelResponse(
        model=body.get("model") or "",
        usage=usage_of(body),
        extra={"data": body["data"]},
    )


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "object": "list",
        "data": [_in_format(one, request.extra.get("encoding_format")) for one in response.extra["data"]],
        "model": response.model or request.model,
    }
    if response.usage is not None:
        tokens = response.usage.prompt_tokens
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return body


def _in_format(one: dict[str, Any], wanted: object) -> dict[str, Any]:
    """Encode numbers as base64 where the client wants that and the provider does not know it."""
    vector = one["embedding"]
    if wanted != "base64" or not isinstance(vector, list):
        return one
    return {**one, "embedding": base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()}


class OpenAIEmbeddings(RequestDialect):
    name = NAME
    operation = OPERATION
    provider = "openai"
    decode_request = staticmethod(decode_request)
    encode_response = staticmethod(encode_response)
    render_error = staticmethod(render_error)


DIALECT = OpenAIEmbeddings()

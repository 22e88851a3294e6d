"""OpenAI's embeddings: texts in, vectors out. A `RequestDialect`: nothing of it is streamed.

An input is a user's message of its own. The vectors, numbers or base64, stand in the response's `extra` under `data`,
as they came; a response has no choices, as nothing in it is said by a model.
"""

import base64
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Required, TypedDict

from msgspec import Meta

from app.dialects.headers import OPENAI, kept
from app.dialects.inputs import decode_inputs, encode_inputs
from app.dialects.openai_chat.errors import render_error
from app.dialects.openai_chat.usage_decoding import decode_usage
from app.dialects.validation import check, missing_field, rest
from app.messages import Dialect, ModelResponse, Native, Request

__all__ = ["decode_request", "decode_response", "encode_request", "encode_response", "name", "render_error"]

name: Dialect = "openai_embeddings"


class Body(TypedDict, total=False):
    """As far as the gateway looks into it. `input` is checked by `decode_inputs`."""

    model: Required[Annotated[str, Meta(min_length=1)]]
    input: Any
    encoding_format: str | None
    dimensions: Annotated[int, Meta(ge=1)] | None
    user: str | None


_DECODED = frozenset(["model", "input", "user"])


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """`body` comes from `parse_body`; what is not a legal request raises `InvalidRequest` with the field's path."""
    said = check(body, Body)
    if said.get("input") is None:
        raise missing_field("input")
    return Request(
        dialect=name,
        model=said["model"],
        messages=decode_inputs(said["input"], "input", name),
        user=said.get("user"),
        extra=rest(body, _DECODED),
        headers=kept(headers, OPENAI),
    )


def encode_request(request: Request) -> dict[str, Any]:
    """The body for a provider of the same dialect."""
    user = {} if request.user is None else {"user": request.user}
    return {"model": request.model, "input": encode_inputs(request.messages), **request.extra, **user}


def decode_response(body: dict[str, Any], native: Native | None = None) -> ModelResponse:
    usage = body.get("usage")
    return ModelResponse(
        model=body.get("model") or "",
        usage=decode_usage(usage) if usage else None,
        extra={"data": body["data"]},
        native=native,
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
    """Numbers as base64 where the client wants that and the provider does not know it."""
    vector = one["embedding"]
    if wanted != "base64" or not isinstance(vector, list):
        return one
    return {**one, "embedding": base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()}

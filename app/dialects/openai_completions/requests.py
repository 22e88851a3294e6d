"""A legacy completions body to the common form and back; unknown fields are kept in `extra`.

Normalised on the way: null as absent, `stop` as a list, `stream: false` and `include_usage: false` as absent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Required, TypedDict

from msgspec import Meta

from app.dialects.headers import OPENAI, kept
from app.dialects.inputs import decode_inputs, encode_inputs
from app.dialects.validation import check, rest, without
from app.messages import InputMessage, Request, TextPart

_SUFFIX = {"field": "suffix"}


class StreamOptions(TypedDict, total=False):
    include_usage: bool | None


class Body(TypedDict, total=False):
    """As far as the gateway looks into it. `prompt` is checked by `decode_inputs`."""

    model: Required[Annotated[str, Meta(min_length=1)]]
    prompt: Any
    suffix: str | None
    stream: bool | None
    stream_options: StreamOptions | None
    n: Annotated[int, Meta(ge=1)] | None
    max_tokens: Annotated[int, Meta(ge=0)] | None
    temperature: float | None
    top_p: float | None
    stop: str | list[str] | None
    user: str | None


_DECODED = frozenset(Body.__annotations__) - {"stream_options"}


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """`body` comes from `parse_body`; what is not a legal request raises `InvalidRequest` with the field's path."""
    said = check(body, Body)
    stop = said.get("stop")
    return Request(
        dialect="openai_completions",
        model=said["model"],
        messages=_messages(said),
        stream=bool(said.get("stream")),
        include_usage=bool((said.get("stream_options") or {}).get("include_usage")),
        n=said.get("n"),
        max_tokens=said.get("max_tokens"),
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        user=said.get("user"),
        extra=_extra(body),
        headers=kept(headers, OPENAI),
    )


def encode_request(request: Request) -> dict[str, Any]:
    """The body for a provider of the same dialect."""
    prompts = [message for message in request.messages if not is_suffix(message)]
    body: dict[str, Any] = {"model": request.model}
    if prompts:
        body["prompt"] = encode_inputs(prompts)
    if suffix := suffix_of(request):
        body["suffix"] = suffix
    body |= request.extra | _options(request)
    if request.stream:
        body["stream"] = True
    if request.include_usage:
        body["stream_options"] = {**request.extra.get("stream_options", {}), "include_usage": True}
    return body


def is_suffix(message: InputMessage) -> bool:
    return message.extra == _SUFFIX


def suffix_of(request: Request) -> str:
    parts = (part for message in request.messages if is_suffix(message) for part in message.parts)
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _messages(said: Body) -> tuple[InputMessage, ...]:
    prompt, suffix = said.get("prompt"), said.get("suffix")
    prompts = () if prompt is None else decode_inputs(prompt, "prompt", "openai_completions")
    return prompts if not suffix else (*prompts, InputMessage("user", (TextPart(suffix),), _SUFFIX))


def _extra(body: dict[str, Any]) -> dict[str, Any]:
    extra = rest(body, _DECODED)
    if (options := extra.pop("stream_options", None)) and (others := without(options, frozenset(["include_usage"]))):
        extra["stream_options"] = others
    return extra


def _options(request: Request) -> dict[str, Any]:
    options = {
        "n": request.n,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "user": request.user,
    }
    return {name: value for name, value in options.items() if value is not None}

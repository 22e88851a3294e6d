"""A legacy completions body to the common form and back; unknown fields are kept in `extra`.

Normalised on the way: null as absent, `stop` as a list, `stream: false` and `include_usage: false` as absent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Required, TypedDict

from msgspec import Meta
from msgspec.structs import replace

from app.dialects.headers import kept
from app.dialects.inputs import decode_inputs, encode_inputs, unreadable
from app.dialects.openai_chat.wire import FORWARDED_HEADERS, StreamOptions, other_stream_options
from app.dialects.openai_chat.wire import NAME as CHAT
from app.dialects.translation.losses import Disposition, no_counterpart, refuse_losses
from app.dialects.validation import check, rest
from app.messages import Dialect, InputMessage, Operation, Request, TextPart

NAME: Dialect = "openai_completions"
OPERATION: Operation = "text_completion"
_SUFFIX = {"field": "suffix"}
_TO_CHAT: Mapping[str, Disposition] = {
    "best_of": "refused",
    "echo": "refused",
    "logprobs": "refused",
    "suffix": "refused",
}
"""Fields that no model takes which only chats."""


class Body(TypedDict, total=False):
    """The fields that the gateway looks into. `prompt` is checked by `decode_inputs`."""

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


_DECODED = frozenset(Body.__annotations__)


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """Decode a body that `parse_body` gave. Raises InvalidRequest with the path of the field at fault."""
    fields = check(body, Body)
    stop = fields.get("stop")
    return Request(
        dialect=NAME,
        operation=OPERATION,
        model=fields["model"],
        messages=_messages(fields),
        stream=bool(fields.get("stream")),
        include_usage=bool((fields.get("stream_options") or {}).get("include_usage")),
        n=fields.get("n"),
        max_tokens=fields.get("max_tokens"),
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        user=fields.get("user"),
        extra=_extra(body),
        headers=kept(headers, FORWARDED_HEADERS),
    )


def encode_request(request: Request) -> dict[str, Any]:
    """The body for a provider of the same dialect."""
    prompts = [message for message in request.messages if not is_suffix(message)]
    body: dict[str, Any] = {"model": request.model}
    if prompts:
        body["prompt"] = encode_inputs(prompts)
    if suffix := _suffix_of(request):
        body["suffix"] = suffix
    body |= request.extra | _options(request)
    if request.stream:
        body["stream"] = True
    if request.include_usage:
        body["stream_options"] = {**request.extra.get("stream_options", {}), "include_usage": True}
    return body


def as_chat(request: Request) -> Request:
    """The request for a model that only chats. Raises InvalidRequest for what that cannot be asked."""
    prompts = [message for message in request.messages if not is_suffix(message)]
    if len(prompts) != 1 or unreadable(request):
        raise no_counterpart("prompt", "anything but one text")
    refuse_losses({**request.extra, "suffix": _suffix_of(request)}, _TO_CHAT)
    extra = {name: value for name, value in request.extra.items() if name not in _TO_CHAT}
    return replace(request, dialect=CHAT, operation="chat", messages=tuple(prompts), extra=extra)


def is_suffix(message: InputMessage) -> bool:
    return message.extra == _SUFFIX


def _suffix_of(request: Request) -> str:
    parts = (part for message in request.messages if is_suffix(message) for part in message.parts)
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _messages(fields: Body) -> tuple[InputMessage, ...]:
    prompt, suffix = fields.get("prompt"), fields.get("suffix")
    prompts = () if prompt is None else decode_inputs(prompt, "prompt", NAME)
    return prompts if not suffix else (*prompts, InputMessage("user", (TextPart(suffix),), _SUFFIX))


def _extra(body: dict[str, Any]) -> dict[str, Any]:
    extra = rest(body, _DECODED)
    return extra | other_stream_options(body)


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

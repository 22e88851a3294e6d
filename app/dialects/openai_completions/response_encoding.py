"""A whole response as a text completion, and the texts and reasons that its streams are made of too."""

from typing import Any

from app.dialects.openai_chat.response_encoding import encode_usage, response_extra
from app.dialects.translation.ids import with_prefix
from app.dialects.translation.stop_reasons import finish_reason
from app.messages import Choice, Message, ModelResponse, Request

_CHOICE = frozenset(["index", "text", "logprobs", "finish_reason"])
_NOTHING = Message()


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": with_prefix(response.id, "cmpl-"),
        "object": "text_completion",
        "created": response.created,
        "model": response.model or request.model,
        "choices": [encode_choice(choice) for choice in response.choices],
        **response_extra(response),
    }
    if response.usage is not None:
        body["usage"] = encode_usage(response.usage)
    if response.system_fingerprint is not None:
        body["system_fingerprint"] = response.system_fingerprint
    return body


def text_of(choice: Choice) -> str:
    """Return the choice's text, refusals included: this API has no field for them."""
    message = choice.message or choice.delta or _NOTHING
    return (message.content or "") + (message.refusal or "")


def reason(given: str | None) -> str:
    """The reason to finish for a client of legacy completions, which knows of no tool calls."""
    return finish_reason(given, called_tools=False)


def encode_choice(choice: Choice) -> dict[str, Any]:
    extra = (choice.message or _NOTHING).extra
    return {
        "text": text_of(choice),
        "index": choice.index,
        "logprobs": choice.logprobs,
        "finish_reason": reason(choice.finish_reason),
        **{name: value for name, value in extra.items() if name not in _CHOICE},
    }

"""A whole response as a text completion, and the texts and reasons that its streams are made of too."""

from typing import Any

from app.dialects.ids import text_completion_id
from app.dialects.openai_chat.response_encoding import encode_usage, response_extra
from app.dialects.stop_reasons import to_openai
from app.messages import Choice, Message, ModelResponse, Request

_CHOICE = frozenset(["index", "text", "logprobs", "finish_reason"])
_NOTHING = Message()


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": text_completion_id(response.id),
        "object": "text_completion",
        "created": response.created,
        "model": response.model or request.model,
        "choices": [_choice(choice) for choice in response.choices],
        **response_extra(response),
    }
    if response.usage is not None:
        body["usage"] = encode_usage(response.usage)
    if response.system_fingerprint is not None:
        body["system_fingerprint"] = response.system_fingerprint
    return body


def text_of(choice: Choice) -> str:
    """A refusal is a text like any other here."""
    said = choice.message or choice.delta or _NOTHING
    return (said.content or "") + (said.refusal or "")


def reason(said: str | None) -> str:
    """No client of texts knows of calls."""
    return to_openai(said, called_tools=False)


def _choice(choice: Choice) -> dict[str, Any]:
    extra = (choice.message or _NOTHING).extra
    return {
        "text": text_of(choice),
        "index": choice.index,
        "logprobs": choice.logprobs,
        "finish_reason": reason(choice.finish_reason),
        **{name: value for name, value in extra.items() if name not in _CHOICE},
    }

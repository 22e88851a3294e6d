"""The message that the official SDKs make of a body."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import openai

from app.messages import Dialect

_HEADERS = {"content-type": "text/event-stream"}


def final_message(dialect: Dialect, body: bytes) -> dict[str, Any]:
    """The message that the SDK makes of a body; `raises` has the exception's name where it cannot read it."""
    try:
        return _READERS[dialect](body)
    except Exception as error:
        return {"raises": type(error).__name__}


def _openai_final(body: bytes) -> dict[str, Any]:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers=_HEADERS))
    with (
        openai.OpenAI(api_key="k", base_url="http://g/v1", http_client=httpx.Client(transport=transport)) as client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        stream.until_done()
        # Not `get_final_completion`, which raises for `length` and `content_filter`.
        return stream.current_completion_snapshot.model_dump(mode="python", warnings=False)


def _completions_final(body: bytes) -> dict[str, Any]:
    """The SDK has no way of its own to add them up."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers=_HEADERS))
    texts: dict[int, str] = {}
    reasons: dict[int, str | None] = {}
    with (
        openai.OpenAI(api_key="k", base_url="http://g/v1", http_client=httpx.Client(transport=transport)) as client,
        client.completions.create(model="m", prompt="hi", stream=True) as stream,
    ):
        chunks = list(stream)
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index or 0] = texts.get(choice.index or 0, "") + (getattr(choice, "text", None) or "")
        reasons[choice.index or 0] = choice.finish_reason
    return {"id": chunks[-1].id, "model": chunks[-1].model, "texts": texts, "reasons": reasons}


def _anthropic_final(body: bytes) -> dict[str, Any]:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body, headers=_HEADERS))
    with (
        anthropic.Anthropic(api_key="k", base_url="http://g", http_client=httpx2.Client(transport=transport)) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        return stream.get_final_message().model_dump(mode="python", warnings=False)


def _responses_final(body: bytes) -> dict[str, Any]:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers=_HEADERS))
    with (
        openai.OpenAI(api_key="k", base_url="http://g/v1", http_client=httpx.Client(transport=transport)) as client,
        client.responses.stream(model="m", input="hi") as stream,
    ):
        # Not `get_final_response`, which knows no other end than a complete one.
        last: Any = [event for event in stream if event.type in ("response.completed", "response.incomplete")][-1]
        return {**last.response.model_dump(mode="python", warnings=False), "output_text": last.response.output_text}


_READERS: dict[Dialect, Callable[[bytes], dict[str, Any]]] = {
    "openai_chat": _openai_final,
    "anthropic_messages": _anthropic_final,
    "openai_responses": _responses_final,
    "openai_completions": _completions_final,
}

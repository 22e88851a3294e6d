"""A gateway before a scripted provider of the dialects, and what the provider may say."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.behaviour.clients import CHAT, RESPONSES
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.unit.dialects.legality import check_anthropic, check_openai
from tests.unit.dialects.openai_responses.legality import check_responses
from tests.upstream import (
    Script,
    Step,
    anthropic_ending,
    anthropic_events,
    anthropic_start,
    anthropic_text_events,
    json_reply,
    openai_completion,
    openai_events,
    stream_of,
)

BACKENDS = ("litellm", "direct")
"""The ways to the provider: `litellm`, and `direct` for the gateway's own clients."""
PROVIDER_KEY = "sk-provider-canary-0123456789abcdef"
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
ARGUMENTS = '{"city": "Utrecht", "days": 2}'
WORDS = ("Hel", "lo", ", wor", "ld")
TOOL_OPENAI = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TOOL_RESPONSES = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TOOL_ANTHROPIC = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def models(provider: Provider, backend: str = "litellm") -> list[str]:
    """`oai` speaks OpenAI's dialect to the provider, `ant` Anthropic's."""
    by = ", backend: litellm" if backend == "litellm" else ""
    return [
        f"oai: {{model: openai/gpt-scripted, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}}}{by}",
        f"ant: {{model: anthropic/claude-scripted, api_base: '{provider.url}', api_key: {PROVIDER_KEY}}}{by}",
    ]


@contextmanager
def gateway_before(
    provider: Provider, gateway: str = "", rest: str = "", backend: str = "litellm"
) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(models(provider, backend), gateway, rest)) as running:
        yield running


def with_tool(path: str) -> dict[str, Any]:
    if path == RESPONSES:
        return {"tools": [TOOL_RESPONSES]}
    return {"tools": [TOOL_OPENAI if path == CHAT else TOOL_ANTHROPIC]}


def text_stream(model: str, *ending: Step, words: tuple[str, ...] = WORDS) -> Script:
    if model == "oai":
        return stream_of(openai_events(*({"content": word} for word in words), usage=USAGE), *ending)
    return stream_of(anthropic_text_events(*words), *ending)


def text_reply(model: str) -> Script:
    return json_reply(openai_completion({"content": "".join(WORDS)}, usage=USAGE) if model == "oai" else _message())


def call_stream(model: str, *ending: Step, pieces: int = 4) -> Script:
    return stream_of(call_events(model, pieces), *ending)


def call_events(model: str, pieces: int = 4, arguments: str = ARGUMENTS) -> list[bytes]:
    step = -(-len(arguments) // pieces)
    parts = [arguments[start : start + step] for start in range(0, len(arguments), step)]
    return _openai_call_events(parts) if model == "oai" else _anthropic_call_events(parts)


def call_reply(model: str) -> Script:
    if model == "oai":
        call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
        return json_reply(openai_completion({"tool_calls": [call]}, "tool_calls", USAGE))
    block = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": json.loads(ARGUMENTS)}
    return json_reply(_message([block], "tool_use"))


def content_of(path: str, body: bytes) -> tuple[str, list[tuple[str, str]], Mapping[str, Any] | None]:
    """Text, calls (name, arguments) and error of a streamed body, which is checked to be legal."""
    if path == RESPONSES:
        response = check_responses(body)
        return response.text(), [(call["name"], call["arguments"]) for call in response.calls()], response.error
    if path == CHAT:
        stream = check_openai(body)
        choice = stream.choices.get(0)
        calls = [(call["name"], call["arguments"]) for call in choice.calls] if choice else []
        return choice.content if choice else "", calls, stream.error
    message = check_anthropic(body)
    return message.text(), [(call["name"], call["json"]) for call in message.calls()], message.error


def _openai_call_events(parts: list[str]) -> list[bytes]:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": part}} for part in parts]
    return openai_events(*({"tool_calls": [call]} for call in [first, *rest]), finish="tool_calls", usage=USAGE)


def _anthropic_call_events(parts: list[str]) -> list[bytes]:
    block = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": part}}
        for part in parts
    ]
    return anthropic_events(
        anthropic_start(),
        {"type": "content_block_start", "index": 0, "content_block": block},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        *anthropic_ending("tool_use"),
    )


def _message(content: list[dict[str, Any]] | None = None, stop_reason: str = "end_turn") -> dict[str, Any]:
    return {
        **anthropic_start()["message"],
        "content": content or [{"type": "text", "text": "".join(WORDS)}],
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }

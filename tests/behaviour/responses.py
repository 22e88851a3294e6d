"""A gateway before a provider of the Responses API and others, and what it says there."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import ARGUMENTS, PROVIDER_KEY, WORDS
from tests.unit.dialects.native_streams import Event, NativeStream
from tests.unit.dialects.openai_responses.events import call_item, called, ended, message, stream, text_events
from tests.upstream import Script, Step, json_reply, stream_of


def models(provider: Provider) -> list[str]:
    """`res` speaks the Responses API only, `chat` chat completions, `ant` Anthropic's; of `any` nothing is known."""
    key = f"api_key: {PROVIDER_KEY}"
    openai = f"api_base: '{provider.url}/v1', {key}"
    return [
        f"res: {{model: openai/responses/gpt-scripted, {openai}}}",
        f"chat: {{model: openai/gpt-scripted, {openai}, use_chat_completions_api: true}}",
        f"ant: {{model: anthropic/claude-scripted, api_base: '{provider.url}', {key}}}",
        f"any: {{model: openai/gpt-unknown, {openai}}}",
    ]


@contextmanager
def gateway_before(provider: Provider, gateway: str = "", rest: str = "") -> Iterator[RunningGateway]:
    with RunningGateway(configuration(models(provider), gateway, rest)) as running:
        yield running


def text(*words: str) -> NativeStream:
    return stream(text_events(*(words or WORDS)))


def call() -> NativeStream:
    step = -(-len(ARGUMENTS) // 4)
    return stream(called(*(ARGUMENTS[at : at + step] for at in range(0, len(ARGUMENTS), step)), name="get_weather"))


def events(body: NativeStream, *ending: Step) -> Script:
    return stream_of([chunk.native.raw for chunk in body.chunks if chunk.native], *ending)


def whole_text() -> Event:
    response: Event = ended(message("".join(WORDS)))["response"]
    return response


def whole_call() -> Event:
    response: Event = ended(call_item(ARGUMENTS, name="get_weather"))["response"]
    return response


def reply(whole: Event) -> Script:
    return json_reply(whole)

"""The table: what a provider says, times who asks for it and how.

    CASES = [
        Case(
            "cut in Gemini's words",
            chat_events(delta(content="part of"), delta(finish="MAX_TOKENS")),
            chat_whole({"content": "part of"}, finish="MAX_TOKENS"),
            Expected(text="part of", finish="length"),
        ),
    ]

    @over(CASES)
    def test_a_reason_is_told_as_what_it_means(table: Table, case: Case, way: Way) -> None:
        table.check(case, way)

Each case runs for every client dialect, as a stream and whole, without a policy and with one that looks at everything
and changes nothing; all through a real gateway and a scripted provider on sockets.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, Transaction, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY
from tests.oddities.client_views import Api, Call, ClientView, read
from tests.unit.dialects.native_streams import Event
from tests.unit.dialects.openai_responses.events import ended, stream
from tests.upstream import Body, End, Head, Script, json_reply

PATHS: Mapping[Api, str] = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}
APIS: tuple[Api, ...] = ("chat", "messages", "responses")
Policies = Literal["no policy", "looking"]
POLICIES: tuple[Policies, ...] = ("no policy", "looking")


class Way(NamedTuple):
    """Who asks, and how."""

    client: Api
    stream: bool
    policies: Policies

    def __str__(self) -> str:
        return f"{self.client}-{'stream' if self.stream else 'whole'}-{self.policies}"


WAYS = tuple(Way(client, stream, policies) for client in APIS for stream in (True, False) for policies in POLICIES)


@dataclass(frozen=True)
class Expected:
    """What every client is to have. What is None is not looked at; `error`: a word of the message, and then the stream
    ends with an error, or the status is 400 and above."""

    text: str | None = None
    thinking: str | None = None
    calls: Sequence[Call] | None = None
    finish: str | None = None
    tokens: tuple[int, int] | None = None
    error: str | None = None
    outcome: str = "ok"
    """The gateway's own account of it."""

    def compare(self, view: ClientView) -> None:
        """Raise AssertionError where the view says something else."""
        if self.error is None:
            assert (view.error, view.status) == (None, 200), view
        else:
            assert self.error in (view.error or ""), view
        for name in ("text", "thinking", "finish", "tokens"):
            wanted = getattr(self, name)
            assert wanted is None or getattr(view, name) == wanted, (name, wanted, view)
        assert self.calls is None or view.calls == tuple(self.calls), (self.calls, view)
        if ids := [call.id for call in self.calls or () if call.id]:
            assert [call.id for call in view.calls] == ids, (ids, view)


@dataclass(frozen=True)
class Case:
    """What a provider says when it is asked for a stream, and when not; None: it is not asked in that way.

    `fields` are added to the client's body, by the client's API. `model` is one of the table's: `chat`, `messages` and
    `responses` are named as the API that the provider speaks.
    """

    name: str
    streamed: Script | None
    whole: Script | None
    expected: Expected
    model: str = "chat"
    fields: Mapping[Api, Mapping[str, Any]] = field(default_factory=dict)
    ways: tuple[Way, ...] = WAYS
    """For what not every client can be asked or told."""

    def runs(self, way: Way) -> bool:
        return way in self.ways and (self.streamed if way.stream else self.whole) is not None


class Table:
    """Two gateways, without a policy and with one, before one provider."""

    def __init__(self, provider: Provider, gateways: Mapping[Policies, RunningGateway]) -> None:
        self.provider = provider
        self.gateways = gateways

    def check(self, case: Case, way: Way) -> ClientView:
        """Run a case in one way and compare what the client has, and what the gateway says of it."""
        reply = self.ask(case, way)
        view = read(way.client, way.stream, reply)
        case.expected.compare(view)
        transaction = self.transaction(way, reply)
        assert transaction.outcome == case.expected.outcome, (transaction.outcome, view)
        return view

    def ask(self, case: Case, way: Way) -> Reply:
        """Let the provider play the case to a client."""
        script = case.streamed if way.stream else case.whole
        assert script is not None
        self.provider.play(list(script))
        return self.send(way, case.model, **case.fields.get(way.client, {}))

    def send(self, way: Way, model: str, **fields: Any) -> Reply:
        """A client's request; what the provider was asked is in `provider.received().json()`."""
        path = PATHS[way.client]
        if way.stream:
            usage = {"stream_options": {"include_usage": True}} if way.client == "chat" else {}
            fields = {"stream": True, **usage, **fields}
        return post(self.gateways[way.policies], path, ask(model, path, **fields))

    def transaction(self, way: Way, reply: Reply) -> Transaction:
        return self.gateways[way.policies].transaction(reply.request_id)


def over(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """As a decorator: a test for each case in each way that it runs in."""
    rows = [pytest.param(case, way, id=f"{case.name}-{way}") for case in cases for way in WAYS if case.runs(way)]
    return pytest.mark.parametrize(("case", "way"), rows)


def models(provider: Provider) -> list[str]:
    key = f"api_key: {PROVIDER_KEY}"
    openai = f"api_base: '{provider.url}/v1', {key}"
    return [
        f"chat: {{model: openai/gpt-scripted, {openai}, use_chat_completions_api: true}}",
        f"messages: {{model: anthropic/claude-scripted, api_base: '{provider.url}', {key}}}",
        f"responses: {{model: openai/responses/gpt-scripted, {openai}}}",
    ]


@contextmanager
def running_table(further: Callable[[Provider], Sequence[str]] = lambda provider: ()) -> Iterator[Table]:
    """`further`: more models, as `models` has them."""
    chain = "['tests.behaviour.policies:Looks']"
    with ExitStack() as stack:
        provider = stack.enter_context(Provider())
        rows = [*models(provider), *further(provider)]
        # Cases of failures must not keep the others from the provider.
        unmoved = "  breakers: {upstream: {threshold: 10000, min_requests: 10000}}"
        settings: dict[Policies, str] = {"no policy": unmoved, "looking": f"{unmoved}\n  policies: {chain}"}
        gateways = {
            name: stack.enter_context(RunningGateway(configuration(rows, text))) for name, text in settings.items()
        }
        yield Table(provider, gateways)


# What a provider says.


def delta(*, finish: str | None = None, index: int = 0, choice: Any = None, **fields: Any) -> dict[str, Any]:
    """A choice of a chunk: the delta's fields, and further ones of the choice."""
    return {"index": index, "delta": fields, "finish_reason": finish, **(choice or {})}


def chat_events(*choices: Any, usage: Any = None, done: bool = True, **head: Any) -> Script:
    """A stream of chat completions, a choice in each chunk. What is no choice (it has no delta) is a whole event."""
    events: list[Any] = [_chunk([one], head) if "delta" in one else one for one in choices]
    if usage is not None:
        events.append({**_chunk([], head), "usage": usage})
    return sse(*events, *(["[DONE]"] if done else []))


def chat_whole(message: Mapping[str, Any], finish: str | None = "stop", usage: Any = None, **head: Any) -> Script:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = usage or {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return json_reply({**_chunk([choice], head), "object": "chat.completion", "usage": usage})


def messages_events(
    *blocks: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]], stop: str | None = "end_turn", usage: Any = None
) -> Script:
    """A stream of Anthropic's: each block with its deltas."""
    events: list[Any] = [{"type": "message_start", "message": {**_message(), "content": [], "stop_reason": None}}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": one} for one in deltas]
        events.append({"type": "content_block_stop", "index": index})
    events.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": usage or {"output_tokens": 4},
        }
    )
    return sse(*events, {"type": "message_stop"})


def messages_whole(content: Sequence[Mapping[str, Any]], stop: str | None = "end_turn", usage: Any = None) -> Script:
    usage = usage or {"input_tokens": 9, "output_tokens": 4}
    return json_reply({**_message(), "content": content, "stop_reason": stop, "usage": usage})


def responses_events(*rows: Event | list[Event]) -> Script:
    """A stream of the Responses API: the events between its first and its last one, as `events.text_events` makes them;
    the last one follows from them."""
    return [Head(), *(Body(chunk.native.raw) for chunk in stream(*rows).chunks if chunk.native), End()]


def responses_whole(*items: Event, status: str = "completed", **fields: Any) -> Script:
    """A whole response with these output items."""
    return json_reply(ended(*items, status=status, **fields)["response"])


def sse(*events: Any, content_type: str = "text/event-stream") -> Script:
    """Bytes go as they are, the text `[DONE]` as data, anything else as JSON; with a name where it has a type."""
    return [Head(content_type=content_type), *(Body(_event(one)) for one in events), End()]


def _event(one: Any) -> bytes:
    if isinstance(one, bytes):
        return one
    name = f"event: {one['type']}\n" if isinstance(one, dict) and "type" in one else ""
    return f"{name}data: {one if one == '[DONE]' else json.dumps(one)}\n\n".encode()


def _chunk(choices: Sequence[Any], head: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-scripted",
        "choices": choices,
        **head,
    }


def _message() -> dict[str, Any]:
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": "claude-scripted",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }

"""A provider whose stream does not come to its end: no client is ever told of a clean one."""

from collections.abc import Iterator, Sequence
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import (
    BACKENDS,
    call_events,
    content_of,
    gateway_before,
    text_stream,
    with_tool,
)
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    Rst,
    Sleep,
    Stall,
    Step,
    anthropic_error,
    anthropic_events,
    openai_error,
    openai_events,
    stream_of,
)

PAIRS = [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
pairs = pytest.mark.parametrize(("path", "model"), PAIRS)
ENDINGS: dict[str, Step] = {"clean end": End(), "FIN": Fin(), "RST": Rst()}
endings = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    limits = "  pipeline: {upstream_idle_timeout: 300ms}\n  breakers: {upstream: {threshold: 1000, min_requests: 1000}}"
    with gateway_before(provider, limits, backend=request.param) as running:
        yield running


def cut(model: str, *ending: Step) -> list[Step]:
    """Half of a text. A pause lets what was sent arrive before the connection breaks."""
    whole: Sequence[Step] = list(text_stream(model))
    return [*whole[: len(whole) // 2], Sleep(0.05), *ending]


@pairs
@endings
def test_a_stream_cut_in_its_text_ends_with_an_error_event(
    gateway: RunningGateway, provider: Provider, path: str, model: str, ending: Step
) -> None:
    provider.play(cut(model, ending))
    reply = post(gateway, path, ask(model, path, stream=True))
    text, _, error = content_of(path, reply.body)
    assert text.startswith("Hel")
    assert error is not None
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "upstream_error"
    assert (ended.attempts[0].attributes or {})["error.type"] == "upstream_truncated"
    assert len(provider.requests) == 1


@pairs
@endings
def test_a_stream_cut_in_the_arguments_of_a_call_ends_with_an_error_event(
    gateway: RunningGateway, provider: Provider, path: str, model: str, ending: Step
) -> None:
    events = call_events(model)
    provider.play([Head(), *(Body(event) for event in events[:4]), Sleep(0.05), ending])
    reply = post(gateway, path, ask(model, path, stream=True, **with_tool(path)))
    _, calls, error = content_of(path, reply.body)
    assert error is not None
    assert [name for name, _ in calls] == ["get_weather"]
    assert not calls[0][1].endswith("}")
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pairs
def test_an_error_in_the_stream_ends_it_with_an_error(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play([*list(text_stream(model))[:4], Body(_in_band(model)), End()])
    reply = post(gateway, path, ask(model, path, stream=True))
    _, _, error = content_of(path, reply.body)
    assert error is not None
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pairs
def test_an_error_in_the_stream_before_any_text_is_an_error_status(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play([Head(), Body(_in_band(model)), End()])
    reply = post(gateway, path, ask(model, path, stream=True))
    assert reply.status >= 500
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pairs
def test_a_provider_that_falls_silent_is_a_timeout(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(cut(model, Stall()))
    reply = post(gateway, path, ask(model, path, stream=True))
    text, _, error = content_of(path, reply.body)
    assert text.startswith("Hel")
    assert error is not None
    assert gateway.transaction(reply.request_id).outcome == "timeout"
    provider.left_within(1)


@pairs
def test_a_stream_without_a_byte_of_a_body_is_an_error_status(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play([Head(), End()])
    reply = post(gateway, path, ask(model, path, stream=True))
    assert reply.status == 502
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pairs
@pytest.mark.parametrize(
    ("status", "stream"), [(400, True), (401, True), (429, True), (429, False), (500, False), (503, True), (529, False)]
)
def test_a_status_of_the_provider_becomes_one_of_the_clients_dialect(
    gateway: RunningGateway, provider: Provider, path: str, model: str, status: int, stream: bool
) -> None:
    provider.play((openai_error if model == "oai" else anthropic_error)(status))
    reply = post(gateway, path, ask(model, path, stream=stream))
    as_it_came = (model == "ant") == (path == MESSAGES) and status != 401
    assert reply.status == (status if as_it_came else _expected(status, path))
    body: Any = reply.json()
    if path == MESSAGES:
        assert body["type"] == "error"
        assert as_it_came or body["request_id"] == reply.request_id
    assert body["error"]["message"]
    expected = "client_error" if status == 400 else "upstream_error"
    assert gateway.transaction(reply.request_id).outcome == expected


@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("ending", [Fin(), Rst()], ids=["FIN", "RST"])
def test_openais_sdk_raises(gateway: RunningGateway, provider: Provider, model: str, ending: Step) -> None:
    provider.play(cut(model, ending))
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk,
        sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hello"}], stream=True
        ) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)


@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("ending", [Fin(), Rst()], ids=["FIN", "RST"])
def test_anthropics_sdk_raises(gateway: RunningGateway, provider: Provider, model: str, ending: Step) -> None:
    provider.play(cut(model, ending))
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as sdk,
        sdk.messages.stream(model=model, max_tokens=100, messages=[{"role": "user", "content": "hello"}]) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.get_final_message()


@pairs
def test_a_whole_answer_cut_short_is_an_error(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play([Head(content_type="application/json"), Body(b'{"id": "half", '), Sleep(0.05), Fin()])
    reply = post(gateway, path, ask(model, path))
    assert reply.status >= 500
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pairs
def test_an_answer_that_is_no_json_is_the_providers_fault(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play([Head(content_type="text/html"), Body(b"<html>Welcome to nginx</html>"), End()])
    reply = post(gateway, path, ask(model, path))
    assert reply.status >= 500
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pairs
def test_rubbish_in_the_stream_is_the_providers_fault(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play([*list(text_stream(model))[:4], Body(b"data: {not json\n\n"), *list(text_stream(model))[4:]])
    reply = post(gateway, path, ask(model, path, stream=True))
    _, _, error = content_of(path, reply.body)
    assert error is not None
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


def test_comments_and_crlf_of_the_provider_change_nothing(gateway: RunningGateway, provider: Provider) -> None:
    events = [b": ping\r\n\r\n", *(event.replace(b"\n", b"\r\n") for event in openai_events({"content": "hello"}))]
    provider.play(stream_of(events))
    body = post(gateway, CHAT, ask("oai", stream=True)).body
    assert content_of(CHAT, body.replace(b"\r\n", b"\n")) == ("hello", [], None)


def _in_band(model: str) -> bytes:
    if model == "oai":
        return b'data: {"error": {"message": "overheated", "type": "server_error", "code": null, "param": null}}\n\n'
    return anthropic_events({"type": "error", "error": {"type": "api_error", "message": "overheated"}})[0]


def _expected(status: int, path: str) -> int:
    if status == 401:
        return 502
    if status in (503, 529):
        return 503 if path == CHAT else 529
    return status

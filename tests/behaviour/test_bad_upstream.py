"""Providers that answer 200 and send no answer: an error in the caller's dialect, told in the span, never reused."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour import responses
from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, Reply, ask, post, request
from tests.behaviour.gateway import RunningGateway, Transaction, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import BACKENDS, content_of, models, text_reply, text_stream
from tests.behaviour.test_completions_and_embeddings import COMPLETE, EMBED, answer, text_of
from tests.behaviour.test_completions_and_embeddings import ask as ask_passing
from tests.unit.backends.completions_and_embeddings import text_events
from tests.upstream import Body, End, Head, Script, Sleep, Stall, Step, json_reply
from tests.upstream import stream_of as streamed

SECRET = "sk-canary-0123456789abcdef"
LIMIT = 64 * 1024
LONG = f"<html>welcome to nginx, {SECRET} ".encode() + b"x" * 20_000 + b"</html>"
WHOLE: dict[str, list[Step]] = {
    "HTML": [Head(content_type="text/html"), Body(LONG), End()],
    "HTML said to be JSON": [Head(content_type="application/json"), Body(LONG), End()],
    "JSON said to be HTML": [Head(content_type="text/html"), Body(b'{"welcome": "%b"}' % SECRET.encode()), End()],
    "not JSON": [Head(content_type="application/json"), Body(b"welcome " + SECRET.encode()), End()],
    "half of JSON": [Head(content_type="application/json"), Body(b'{"welcome": "%b' % SECRET.encode()), End()],
    "a list": json_reply(["welcome", SECRET]),
    "another form": json_reply({"welcome": SECRET, "choices": [{}], "content": [7]}),
    "empty": [Head(content_type="application/json"), End()],
    "blank": [Head(content_type="application/json"), Body(b" \n"), End()],
    "events": [Head(), Body(b'data: {"welcome": "%b"}\n\n' % SECRET.encode()), End()],
}
STREAMED: dict[str, list[Step]] = {
    "HTML": WHOLE["HTML"],
    "HTML said to be events": [Head(), Body(LONG), End()],
    "HTML in paragraphs": [Head(), Body(LONG.replace(b"nginx", b"\n\nnginx\n\n")), End()],
    "JSON": [Head(content_type="application/json"), Body(b'{"welcome": "%b"}' % SECRET.encode()), End()],
    "JSON said to be events": [Head(), Body(b'{"welcome": "%b"}' % SECRET.encode()), End()],
    "events said to be text": [Head(content_type="text/plain"), Body(b"data: welcome %b\n\n" % SECRET.encode()), End()],
    "events that are not JSON": [Head(), Body(b"data: welcome %b\n\n" % SECRET.encode()), End()],
    "events that are lists": [Head(), Body(b'data: ["welcome", "%b"]\n\n' % SECRET.encode()), End()],
    "empty": [Head(), End()],
    "blank": [Head(), Body(b"\n\n"), End()],
    "an event without an end": [Head(), Body(b"data: welcome %b" % SECRET.encode()), Body(b"x" * LIMIT), Stall()],
    "an event that is too long": [Head(), Body(b"data: welcome %b" % SECRET.encode() + b"x" * LIMIT + b"\n\n"), End()],
    "no line ever": [Head(), *[Body(b"welcome to nginx" * 1024)] * 5, Stall()],
}
SPOKEN = [(CHAT, "oai"), (CHAT, "ant"), (MESSAGES, "oai"), (MESSAGES, "ant"), (COMPLETE, "oai")]
SPOKEN_DIRECTLY = [*SPOKEN, (RESPONSES, "res"), (RESPONSES, "ant"), (MESSAGES, "res")]


def gateway_by(provider: Provider, backend: str) -> RunningGateway:
    """`res` is a model of the Responses API."""
    limits = "  pipeline: {event_limit: 64KiB}\n  breakers: {upstream: {threshold: 10000, min_requests: 10000}}"
    return RunningGateway(configuration([*models(provider, backend), responses.models(provider)[0]], limits))


@pytest.fixture(scope="module")
def direct(provider: Provider) -> Iterator[RunningGateway]:
    with gateway_by(provider, "direct") as running:
        yield running


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    with gateway_by(provider, request.param) as running:
        yield running


def body_for(path: str, model: str, stream: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"stream": True} if stream else {}
    return ask_passing(model, path, **fields) if path in (COMPLETE, EMBED) else ask(model, path, **fields)


def good_script(path: str, model: str, stream: bool) -> Script:
    if model == "res":
        return responses.events(responses.text()) if stream else responses.reply(responses.whole_text())
    if path not in (COMPLETE, EMBED):
        return text_stream(model) if stream else text_reply(model)
    return streamed(text_events("well")) if stream else answer(path)


def check_error(path: str, reply: Reply, ended: Transaction, detail_part: str) -> None:
    """The error as the path's dialect words it; the provider's fault, with what it sent: a page is shown."""
    assert reply.status == 502
    error = reply.json()
    assert set(error) == ({"type", "error", "request_id"} if path == MESSAGES else {"error"})
    assert error["error"]["message"]
    assert ended.outcome == "upstream_error"
    detail = str((ended.attempts[0].attributes or {})["flowspan.detail"])
    assert detail_part in detail
    assert ("welcome" in detail) is (detail_part == "welcome")
    assert len(detail) < 1000
    assert detail == ended["flowspan.detail"]
    assert SECRET not in detail + reply.body.decode()


def is_not_reused(gateway: RunningGateway, provider: Provider, path: str, model: str, stream: bool) -> None:
    """The connection that it came on is closed, and the next request opens another."""
    provider.left_within(1)
    opened = provider.connections
    provider.play(good_script(path, model, stream))
    assert post(gateway, path, body_for(path, model, stream)).status == 200
    assert provider.connections == opened + 1


@pytest.mark.parametrize(("path", "model"), [*SPOKEN_DIRECTLY, (EMBED, "oai")])
@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_that_is_none(
    direct: RunningGateway, provider: Provider, path: str, model: str, case: str
) -> None:
    provider.play(WHOLE[case])
    reply = post(direct, path, body_for(path, model, stream=False))
    detail_part = "empty body" if case in ("empty", "blank") else "welcome" if case == "HTML" else " bytes of "
    if case == "events" and path != EMBED:
        # Read as the stream that it is, which has no end.
        detail_part = "no last word"
    check_error(path, reply, direct.transaction(reply.request_id), detail_part)
    is_not_reused(direct, provider, path, model, stream=False)


@pytest.mark.parametrize(("path", "model"), SPOKEN_DIRECTLY)
@pytest.mark.parametrize("case", STREAMED)
def test_a_stream_that_is_none(direct: RunningGateway, provider: Provider, path: str, model: str, case: str) -> None:
    provider.play(STREAMED[case])
    reply = post(direct, path, body_for(path, model, stream=True))
    detail_part = "welcome" if case == "HTML" else " bytes of "
    detail_part = {"empty": "empty body", "blank": "not an event stream"}.get(case, detail_part)
    check_error(path, reply, direct.transaction(reply.request_id), detail_part)
    is_not_reused(direct, provider, path, model, stream=True)


@pytest.mark.parametrize(("path", "model"), SPOKEN_DIRECTLY)
@pytest.mark.parametrize(
    "rubbish",
    [
        b"data: {welcome\n\n",
        b"data: [7]\n\n",
        b"data: " + b"x" * LIMIT,
        b"x" * LIMIT,
    ],
    ids=["not JSON", "a list", "no end", "no line"],
)
def test_rubbish_in_a_good_stream_ends_it_with_an_error(
    direct: RunningGateway, provider: Provider, path: str, model: str, rubbish: bytes
) -> None:
    good = list(good_script(path, model, stream=True))
    begun = 7 if model == "res" else 4
    provider.play([*good[:begun], Sleep(0.02), Body(rubbish), Sleep(0.02), *good[begun:]])
    reply = post(direct, path, body_for(path, model, stream=True))
    assert reply.status == 200
    error = text_of(reply)[1] if path == COMPLETE else content_of(path, reply.body)[2]
    assert error is not None
    assert direct.transaction(reply.request_id).outcome == "upstream_error"
    provider.left_within(1)


@pytest.mark.parametrize(("path", "model"), SPOKEN_DIRECTLY)
def test_a_page_in_the_place_of_the_rest_is_no_end(
    direct: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    good = list(good_script(path, model, stream=True))
    provider.play([*good[:4], Body(b"<html>welcome</html>\n\n"), End()])
    reply = post(direct, path, body_for(path, model, stream=True))
    assert b'"error"' in reply.body
    assert b"[DONE]" not in reply.body
    assert b"message_stop" not in reply.body
    assert b"response.completed" not in reply.body
    assert direct.transaction(reply.request_id).outcome == "upstream_error"


@pytest.mark.parametrize("case", WHOLE)
def test_a_count_of_tokens_that_is_none(direct: RunningGateway, provider: Provider, case: str) -> None:
    provider.play(WHOLE[case])
    reply = post(direct, COUNT, ask("ant", COUNT))
    assert reply.status == 502
    assert direct.transaction(reply.request_id).outcome == "upstream_error"
    provider.left_within(1)


@pytest.mark.parametrize("case", WHOLE)
def test_a_stored_response_that_is_none(direct: RunningGateway, provider: Provider, case: str) -> None:
    """What is an object goes to the client as it is: it is not looked into."""
    provider.play(WHOLE[case])
    reply = request(direct, "GET", f"{RESPONSES}/resp_1")
    ended = direct.transaction(reply.request_id)
    if case in ("another form", "JSON said to be HTML"):
        assert (reply.status, ended.outcome) == (200, "ok")
        return
    assert (reply.status, ended.outcome) == (502, "upstream_error")
    assert SECRET not in str(ended["flowspan.detail"]) + reply.body.decode()
    provider.left_within(1)


@pytest.mark.parametrize("case", STREAMED)
def test_a_stream_of_a_stored_response_that_is_none(direct: RunningGateway, provider: Provider, case: str) -> None:
    provider.play(STREAMED[case])
    reply = request(direct, "GET", f"{RESPONSES}/resp_1?stream=true")
    assert reply.status == 502
    assert direct.transaction(reply.request_id).outcome == "upstream_error"
    provider.left_within(1)


@pytest.mark.parametrize(
    ("path", "model", "stream"), [(*route, stream) for route in (*SPOKEN, (EMBED, "oai")) for stream in (True, False)]
)
@pytest.mark.parametrize("case", ["HTML", "HTML said to be JSON", "not JSON", "empty"])
def test_on_either_road_it_is_the_providers_fault(
    gateway: RunningGateway, provider: Provider, path: str, model: str, stream: bool, case: str
) -> None:
    provider.play(WHOLE[case])
    reply = post(gateway, path, body_for(path, model, stream))
    assert reply.status >= 500
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"
    assert SECRET.encode() not in reply.body

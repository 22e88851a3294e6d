"""Content is in no log, span, event or metric unless the operator asks for it, and then only what policies let by."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import (
    BACKENDS,
    call_events,
    gateway_before,
    models,
    text_reply,
    text_stream,
    with_tool,
)
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    Rst,
    Script,
    Sleep,
    Step,
    anthropic_error,
    json_reply,
    openai_completion,
    openai_error,
    stream_of,
)

CANARY = "kanarienvogel-7391@cage.example"
QUOTED = f"cannot read the text '{CANARY}' at 0"
LIMITS = "  breakers: {upstream: {threshold: 100000, min_requests: 100000}}\n"
PAIRS = [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
pairs = pytest.mark.parametrize(("path", "model"), PAIRS)
PAGE = f"<!doctype html><title>{CANARY}</title><p>as the model was asked for</p>".encode()
CHUNKED = {"transfer-encoding": "chunked"}
CUT = json.dumps({"choices": [{"index": 0, "delta": {"content": CANARY}}], "id": "x"}).encode()


def _error(model: str, message: str, status: int) -> Script:
    return openai_error(status, message) if model == "oai" else anthropic_error(status, message=message)


def whole(model: str) -> dict[str, Script]:
    json_head = Head(content_type="application/json")
    return {
        "good": json_reply(openai_completion({"content": CANARY})) if model == "oai" else text_reply(model),
        "refused": _error(model, QUOTED, 400),
        "failed": _error(model, QUOTED, 500),
        "failed in words": [Head(500, content_type="text/plain"), Body(QUOTED.encode()), End()],
        "broken JSON": [json_head, Body(b'{"choices": [{"message": "' + CANARY.encode()), End()],
        "text": [json_head, Body(CANARY.encode()), End()],
        "another form": json_reply({"choices": [{"message": CANARY}], "content": [CANARY]}),
        "an error with 200": json_reply({"error": {"message": QUOTED, "type": "server_error"}}),
        "cut": [json_head, Body(CANARY.encode()), Fin()],
        "a page as JSON": [json_head, Body(PAGE), End()],
        "a page as text": [Head(content_type="text/plain"), Body(PAGE), End()],
        "not HTTP": [Body(CANARY.encode() + b"\r\n\r\n"), Fin()],
        "reset": [json_head, Body(CANARY.encode()), Rst()],
    }


def streamed(model: str) -> dict[str, Script]:
    begun = list(text_stream(model, words=(CANARY, " and more")))
    return {
        "good": begun,
        "a call": stream_of(call_events(model, arguments=json.dumps({"city": CANARY}))),
        "a broken call": stream_of(call_events(model, arguments='{"city": "' + CANARY)),
        "cut": [*begun[:3], Fin()],
        "reset": [*begun[:3], Rst()],
        "cut amid an event": [Head(), Body(b"data: " + CUT[:-20]), Fin()],
        "not JSON": [Head(), Body(b"data: " + CANARY.encode() + b"\n\n"), End()],
        "another form": [Head(), Body(b'data: {"choices": "' + CANARY.encode() + b'", "type": {}}\n\n'), End()],
        "a page": [Head(), Body(PAGE), End()],
        "a page in an event": [*begun[:3], Body(b"data: " + PAGE + b"\n\n"), End()],
        "no events": [Head(), Body(CANARY.encode()), End()],
        "an error": [Head(), Body(b"data: " + json.dumps({"error": {"message": QUOTED}}).encode() + b"\n\n"), End()],
        "refused": _error(model, QUOTED, 400),
    }


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    silent = LIMITS + "  telemetry: {log_level: debug, boundary_events: both}"
    with RunningGateway(configuration(models(provider, request.param), silent)) as running:
        yield running


def recorded_by(gateway: RunningGateway) -> str:
    """All that anybody can read of what happened."""
    spans = "".join(span.to_json() for span in gateway.spans())
    return gateway.log.getvalue() + spans + generate_latest(gateway.telemetry.registry).decode()


def records_nothing(gateway: RunningGateway, capfd: pytest.CaptureFixture[str]) -> None:
    gateway.wait_until_idle()
    recorded = recorded_by(gateway)
    assert "openai_chat" in recorded
    written = "".join(capfd.readouterr())
    for piece in (CANARY, "kanarienvogel"):
        assert piece not in recorded
        assert piece not in written


def asking(path: str, model: str, stream: bool) -> dict[str, Any]:
    body = ask(model, path, CANARY, **with_tool(path), stream=stream)
    if path == MESSAGES:
        return body | {"system": CANARY}
    body["messages"].insert(0, {"role": "system", "content": CANARY})
    return body


@pytest.mark.parametrize(("cases", "stream"), [(whole, False), (streamed, True)], ids=["whole", "streamed"])
@pairs
def test_whatever_goes_wrong_content_stays_where_it_is(
    gateway: RunningGateway,
    provider: Provider,
    capfd: pytest.CaptureFixture[str],
    path: str,
    model: str,
    cases: Callable[[str], dict[str, Script]],
    stream: bool,
) -> None:
    for script in cases(model).values():
        provider.play(script)
        post(gateway, path, asking(path, model, stream), {"user-agent": CANARY})
    records_nothing(gateway, capfd)


@pairs
def test_a_body_whose_framing_breaks_is_not_quoted(
    provider: Provider, capfd: pytest.CaptureFixture[str], path: str, model: str
) -> None:
    """By way of LiteLLM nobody is told of it: its connections wait on, until the limit of the request."""
    begun = [step for step in list(text_stream(model, words=(CANARY, " and more")))[:3] if isinstance(step, Body)]
    pieces = [Body(b"%x\r\n%b\r\n" % (len(step.data), step.data)) for step in begun]
    broken: list[Step] = [Sleep(0.02), Body(b"zz" + CANARY.encode() + b"\r\n"), Fin()]
    with gateway_before(provider, backend="direct") as gateway:
        provider.play([Head(headers=CHUNKED, chunked=False), *pieces, *broken])
        post(gateway, path, asking(path, model, True))
        records_nothing(gateway, capfd)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"model": "oai", "messages": "{CANARY}'.encode(),
        json.dumps({"model": "oai", "messages": [{"role": CANARY, "content": CANARY}]}).encode(),
        json.dumps({"model": "oai", "messages": [{"role": "user", "content": [{"type": CANARY}]}]}).encode(),
        json.dumps({"model": "oai", CANARY: 5, "tool_choice": CANARY, "input": "a", "messages": []}).encode(),
        b"\xff\xfe" + CANARY.encode(),
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_request_that_is_refused_is_not_quoted(
    gateway: RunningGateway, provider: Provider, capfd: pytest.CaptureFixture[str], path: str, body: bytes
) -> None:
    # Some the provider refuses.
    provider.play(openai_error(400, QUOTED))
    assert post(gateway, path, body).status >= 400
    records_nothing(gateway, capfd)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/{CANARY}"),
        ("POST", f"/v1/{CANARY}/x?key={CANARY}"),
        ("GET", f"/v1/models?after={CANARY}"),
        ("GET", f"/v1/models/{CANARY}"),
        ("POST", f"{CHAT}?prompt={CANARY}"),
        ("GET", f"{RESPONSES}/{CANARY.replace('@', '_')}?include={CANARY}"),
        ("PUT", f"{CHAT}/{CANARY}"),
    ],
)
def test_an_address_is_not_quoted(
    gateway: RunningGateway, capfd: pytest.CaptureFixture[str], method: str, path: str
) -> None:
    headers = {"user-agent": f"curl/8.5.0 ({CANARY})", "tracestate": f"a={CANARY}"}
    request(gateway, method, path, headers=headers)
    records_nothing(gateway, capfd)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stream", [False, True])
def test_with_content_captured_what_redact_took_out_is_nowhere(provider: Provider, backend: str, stream: bool) -> None:
    captured = (
        LIMITS + "  policies: [{use: redact, config: {patterns: [email]}}]\n"
        "  telemetry: {log_level: debug, boundary_events: both, capture_content: both}"
    )
    with RunningGateway(configuration(models(provider, backend), captured)) as gateway:
        for path, model in PAIRS:
            for script in (streamed if stream else whole)(model).values():
                provider.play(script)
                post(gateway, path, ask(model, path, f"write to {CANARY}", stream=stream))
        gateway.wait_until_idle()
        recorded = recorded_by(gateway)
        assert "write to" in recorded
        assert CANARY not in recorded


@pytest.mark.parametrize("hook", ["on_request", "on_response", "on_content_delta"])
def test_of_what_a_policy_blocks_nothing_is_captured(provider: Provider, hook: str) -> None:
    captured = (
        f"  policies: [{{use: 'tests.behaviour.policies:Blocks', config: {{hook: {hook}}}}}]\n"
        "  telemetry: {boundary_events: both, capture_content: both}"
    )
    with RunningGateway(configuration(models(provider, "direct"), captured)) as gateway:
        provider.play(json_reply(openai_completion({"content": CANARY})))
        assert post(gateway, CHAT, ask("oai", CHAT, CANARY)).status == 400
        gateway.wait_until_idle()
        assert "kanarienvogel" not in recorded_by(gateway)


@pytest.mark.parametrize(("status", "media_type"), [(200, "text/html; charset=utf-8"), (502, "text/plain")])
def test_a_page_of_a_proxy_is_shown(
    gateway: RunningGateway, provider: Provider, status: int, media_type: str, request: pytest.FixtureRequest
) -> None:
    provider.play([Head(status, content_type=media_type), Body(b"<html><title>Log in to the proxy</title>"), End()])
    reply = post(gateway, CHAT, ask("oai", CHAT))
    assert reply.status == 502
    if "direct" in request.node.callspec.id:
        assert "Log in to the proxy" in str(gateway.transaction(reply.request_id)["flowspan.detail"])

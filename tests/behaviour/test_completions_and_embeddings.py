"""Embeddings and legacy completions: passed through, with spans, metrics, policies, router and limits as everywhere."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.behaviour.canary import Canary
from tests.behaviour.clients import RawClient, Reply, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.policies import Sees
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import BACKENDS, PROVIDER_KEY, gateway_before
from tests.behaviour.test_security import orders
from tests.unit.backends.completions_and_embeddings import COMPLETED, EMBEDDED, text_events
from tests.upstream import Body, End, Fin, Head, Received, Rst, Script, Sleep, Stall, Step, json_reply, openai_error
from tests.upstream import stream_of as streamed

EMBED, COMPLETE = "/v1/embeddings", "/v1/completions"
PATHS = (EMBED, COMPLETE)
paths = pytest.mark.parametrize("path", PATHS)
OPERATION = {EMBED: "embeddings", COMPLETE: "text_completion"}


def ask(model: str, path: str, given: Any = "hello there", **fields: Any) -> dict[str, Any]:
    return {"model": model, "input" if path == EMBED else "prompt": given, **fields}


def answer(path: str) -> Script:
    return json_reply(EMBEDDED if path == EMBED else COMPLETED)


def text_of(reply: Reply) -> tuple[str, Any]:
    """Text of a streamed completion, and its error; a good end has `[DONE]`, a bad one has not."""
    lines = [line.removeprefix(b"data: ") for line in reply.body.split(b"\n\n") if line.startswith(b"data: ")]
    events = [json.loads(line) for line in lines if line != b"[DONE]"]
    error = next((event["error"] for event in events if "error" in event), None)
    assert (lines[-1] == b"[DONE]") == (error is None)
    return "".join(choice["text"] for event in events for choice in event.get("choices", ())), error


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    with gateway_before(
        provider, "  breakers: {upstream: {threshold: 1000, min_requests: 1000}}", backend=request.param
    ) as running:
        yield running


@pytest.fixture(scope="module")
def direct(provider: Provider) -> Iterator[RunningGateway]:
    limits = "  pipeline: {upstream_idle_timeout: 300ms}\n  breakers: {upstream: {threshold: 1000, min_requests: 1000}}"
    with gateway_before(provider, limits, "litellm_settings: {num_retries: 1}", backend="direct") as running:
        yield running


def test_openais_sdk_gets_vectors(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(answer(EMBED))
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        got = sdk.embeddings.create(model="oai", input=["hello"])
    assert got.data[0].embedding == [0.25, -0.5]
    assert got.usage.prompt_tokens == 3
    assert provider.received().json()["input"] in ("hello", ["hello"])
    assert provider.received().headers["authorization"] == f"Bearer {PROVIDER_KEY}"


@pytest.mark.parametrize("stream", [True, False])
def test_openais_sdk_gets_texts(gateway: RunningGateway, provider: Provider, stream: bool) -> None:
    def script(number: int, request: Received) -> Script:
        # LiteLLM is asked for the whole in either case.
        return streamed(text_events("A")) if request.json().get("stream") else json_reply(COMPLETED)

    provider.play(script)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        if stream:
            chunks = list(sdk.completions.create(model="oai", prompt="hello", stream=True))
            first = [choice for chunk in chunks for choice in chunk.choices if choice.index == 0]
            text, reason = "".join(choice.text for choice in first), first[-1].finish_reason
        else:
            whole = sdk.completions.create(model="oai", prompt="hello")
            text, reason = whole.choices[0].text, whole.choices[0].finish_reason
    assert (text, reason) == ("A", "stop")


@paths
def test_there_is_a_span_with_operation_and_usage_and_they_are_counted(
    gateway: RunningGateway, provider: Provider, path: str
) -> None:
    provider.play(answer(path))
    labels = {"gen_ai_operation_name": OPERATION[path], "gen_ai_request_model": "oai", "gen_ai_token_type": "input"}
    before = gateway.sample("gen_ai_client_token_usage_sum", **labels)
    reply = post(gateway, path, ask("oai", path))
    ended = gateway.transaction(reply.request_id)
    assert (ended.outcome, ended["flowspan.operation"]) == ("ok", OPERATION[path])
    assert ended.span.name == f"POST {path}"
    [attempt] = ended.attempts
    attributes = dict(attempt.attributes or {})
    assert attempt.name == f"{OPERATION[path]} gpt-scripted"
    assert attributes["gen_ai.operation.name"] == OPERATION[path]
    assert attributes["gen_ai.usage.input_tokens"] == 3
    assert attributes["gen_ai.response.model"] == "served"
    assert gateway.sample("gen_ai_client_token_usage_sum", **labels) - before == 3
    api = {EMBED: "openai_embeddings", COMPLETE: "openai_completions"}[path]
    assert gateway.sample("flowspan_requests_total", api=api, model="oai", outcome="ok") > 0


def test_a_stream_has_the_stages_and_the_usage_that_its_client_did_not_ask_for(
    direct: RunningGateway, provider: Provider
) -> None:
    provider.play(streamed(text_events("Hel", "lo")))
    reply = post(direct, COMPLETE, ask("oai", COMPLETE, stream=True))
    assert text_of(reply) == ("Hello", None)
    assert b"prompt_tokens" not in reply.body
    ended = direct.transaction(reply.request_id)
    assert {"flowspan.stage policy_executor", "flowspan.queue sse", "text_completion gpt-scripted"} <= set(ended.names)
    attributes = dict(ended.attempts[0].attributes or {})
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (3, 2)
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert ended["flowspan.ttft_s"] > 0


@pytest.mark.parametrize(
    ("path", "body", "script"),
    [
        (EMBED, b'{ "input": ["a", "caf\\u00e9"],\n "model":  "oai", "encoding_format": "base64" }', answer(EMBED)),
        (EMBED, b'{"model": "oai", "input": [[1, 2], [3]], "x": {"model": "oai"}}', answer(EMBED)),
        (COMPLETE, b'{"prompt": ["a", [1, 2]], "model": "oai", "logprobs": 0, "suffix": null}', answer(COMPLETE)),
        (
            COMPLETE,
            b'{"model": "oai", "stream": true, "prompt": "a", "stream_options": {"include_usage":true}}',
            streamed([b": wait\r\n\r\n", *text_events("a", "b", finish="length")]),
        ),
    ],
)
def test_bodies_pass_byte_for_byte_but_for_the_models_name(
    direct: RunningGateway, provider: Provider, path: str, body: bytes, script: Script
) -> None:
    provider.play(script)
    reply = post(direct, path, body)
    assert reply.status == 200
    assert provider.received().body == body.replace(b'"oai"', b'"gpt-scripted"', 1)
    assert reply.body == b"".join(step.data for step in script if isinstance(step, Body))
    assert direct.transaction(reply.request_id).outcome == "ok"


@paths
def test_a_failure_is_tried_again_and_a_callers_fault_is_not(
    direct: RunningGateway, provider: Provider, path: str
) -> None:
    provider.play(lambda number, request: openai_error(503) if number == 1 else answer(path))
    reply = post(direct, path, ask("oai", path))
    assert reply.status == 200
    assert [len(provider.requests), len(direct.transaction(reply.request_id).attempts)] == [2, 2]
    provider.play(openai_error(400, "no such thing"))
    reply = post(direct, path, ask("oai", path))
    assert (reply.status, len(provider.requests)) == (400, 1)
    assert reply.json()["error"]["message"].startswith("no such thing")


@pytest.mark.parametrize("ending", [End(), Fin(), Rst(), Stall()], ids=["end", "FIN", "RST", "silence"])
def test_a_stream_that_is_cut_off_is_an_error_and_not_tried_again(
    direct: RunningGateway, provider: Provider, ending: Step
) -> None:
    provider.play(streamed(text_events("Hel", "lo")[:2], Sleep(0.05), ending))
    reply = post(direct, COMPLETE, ask("oai", COMPLETE, stream=True))
    text, error = text_of(reply)
    assert text == "Hello"
    assert error is not None
    expected = "timeout" if isinstance(ending, Stall) else "upstream_error"
    assert direct.transaction(reply.request_id).outcome == expected
    assert len(provider.requests) == 1


@pytest.mark.parametrize(("path", "stream"), [(EMBED, False), (COMPLETE, False), (COMPLETE, True)])
def test_a_client_that_leaves_has_its_upstream_closed(
    gateway: RunningGateway, provider: Provider, path: str, stream: bool
) -> None:
    provider.play([Head(), Stall()] if stream else [Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(path, ask("oai", path, stream=stream) if stream else ask("oai", path))
        provider.received()
        client.reset()
        provider.left_within(1)
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


@paths
def test_a_model_of_anthropics_refuses_and_is_named(direct: RunningGateway, provider: Provider, path: str) -> None:
    provider.play([])
    reply = post(direct, path, ask("ant", path))
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "`ant` is served by Anthropic (ant)" in reply.json()["error"]["message"]
    ended = direct.transaction(reply.request_id)
    assert (ended.outcome, ended.attempts) == ("client_error", [])
    assert not provider.requests


@paths
def test_a_model_of_the_responses_api_alone_refuses_too(path: str) -> None:
    entry = "pro: {model: openai/responses/gpt-pro, api_key: sk-none-0123456789}"
    with RunningGateway(configuration([entry])) as gateway:
        reply = post(gateway, path, ask("pro", path))
        assert reply.status == 400
        assert "`pro` is served by the Responses API alone (pro)" in reply.json()["error"]["message"]


MIXED = """
model_list:
  - {model_name: both, litellm_params: {model: anthropic/claude-x, api_key: sk-none-0123456789, order: 1}}
  - {model_name: both, litellm_params: {model: simulated/echo, order: 2}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-x, api_key: sk-none-0123456789}}
  - {model_name: frail, litellm_params: {model: simulated/status-503}}
litellm_settings: {num_retries: 0, fallbacks: [{claude: [both]}, {frail: [both]}]}
gateway:
  breakers: {upstream: {threshold: 2, window: 60s, cooldown: 60s}}
"""


@paths
def test_the_router_finds_who_can_do_it(path: str) -> None:
    """Past deployments that cannot, to the fallbacks of a model that cannot, and of one that fails till it is shut."""
    with RunningGateway(MIXED) as gateway:
        for model, tried in (("both", 1), ("claude", 1), ("frail", 2), ("frail", 2), ("frail", 1)):
            reply = post(gateway, path, ask(model, path))
            assert reply.status == 200
            assert len(gateway.transaction(reply.request_id).attempts) == tried
        assert gateway.sample("flowspan_breaker_trips_total", breaker="frail") == 1


@paths
@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"not json", 400, "JSON"),
        (b'{"model": "oai"', 400, "JSON"),
        (b'{"FIELD": "a"}', 400, "model"),
        (b'{"model": "oai", "FIELD": []}', 400, "FIELD"),
        (b'{"model": "oai", "FIELD": 7}', 400, "FIELD"),
        (b'{"model": "oai", "FIELD": ["a", ["b"]]}', 400, "FIELD[1]"),
        (b'{"model": "nothing", "FIELD": "a"}', 404, "nothing"),
        (b'{"model": "oai", "FIELD": "\xff"}', 400, "UTF-8"),
    ],
)
def test_bad_input_is_an_error_in_openais_form(
    direct: RunningGateway, path: str, body: bytes, status: int, named: str
) -> None:
    field = "input" if path == EMBED else "prompt"
    reply = post(direct, path, body.replace(b"FIELD", field.encode()), {"anthropic-version": "2023-06-01"})
    assert reply.status == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert named.replace("FIELD", field) in reply.json()["error"]["message"]
    assert direct.transaction(reply.request_id).outcome == "client_error"


def test_a_missing_input_is_named(direct: RunningGateway) -> None:
    assert "input" in post(direct, EMBED, {"model": "oai"}).json()["error"]["message"]


LIMITED = configuration(
    simulated("echo", "lorem-4"),
    "  server: {body_limit: 2KiB}\n"
    "  policies:\n    - {use: redact, config: {patterns: [email]}}\n    - 'tests.behaviour.policies:Sees'",
    "general_settings: {master_key: sk-caller-0123456789}",
)
KEY = {"authorization": "Bearer sk-caller-0123456789"}


@pytest.fixture(scope="module")
def limited() -> Iterator[RunningGateway]:
    with RunningGateway(LIMITED) as running:
        yield running


@paths
def test_key_and_limit_are_those_of_every_route(limited: RunningGateway, path: str) -> None:
    for headers, given, status, kind in (
        ({}, "a", 401, "authentication_error"),
        (KEY, "a" * 3000, 413, "invalid_request_error"),
    ):
        reply = post(limited, path, ask("echo", path, given), headers)
        assert (reply.status, reply.json()["error"]["type"]) == (status, kind)
        assert limited.transaction(reply.request_id).outcome == "client_error"


@paths
def test_policies_see_every_text_and_what_is_hidden_from_them_is_counted(limited: RunningGateway, path: str) -> None:
    """A guard that could not read an input must not pass for one that did."""
    before = limited.sample("flowspan_policy_skipped_total", kind="content")
    tokens = limited.sample("flowspan_policy_skipped_total", kind="tokens")
    reply = post(limited, path, ask("echo", path, ["a@example.org", "b"]), KEY)
    assert Sees.texts == ["[EMAIL]", "b"]
    assert limited.sample("flowspan_policy_skipped_total", kind="content") == before
    if path == COMPLETE:
        assert [choice["text"] for choice in reply.json()["choices"]] == ["[EMAIL]", "b"]
    post(limited, path, ask("echo", path, [[1, 2], [3]]), KEY)
    assert limited.sample("flowspan_policy_skipped_total", policy="redact", kind="tokens") == tokens + 2
    assert limited.sample("flowspan_policy_skipped_total", kind="content") == before + 2


def test_a_streamed_text_is_redacted_across_chunks(provider: Provider) -> None:
    redacting = "  policies: [{use: redact, config: {patterns: [email]}}]"
    with gateway_before(provider, redacting, backend="direct") as gateway:
        provider.play(streamed(text_events("Mail can", "ary@exam", "ple.org now")))
        reply = post(gateway, COMPLETE, ask("oai", COMPLETE, "of canary@example.org", stream=True))
        assert text_of(reply) == ("Mail [EMAIL] now", None)
        assert b"canary" not in reply.body + provider.received().body
        assert provider.received().json()["prompt"] == "of [EMAIL]"
        provider.play(answer(EMBED))
        post(gateway, EMBED, ask("oai", EMBED, ["of canary@example.org", [1, 2]]))
        assert provider.received().json()["input"] == ["of [EMAIL]", [1, 2]]


@paths
def test_orders_to_the_library_in_a_body_change_nothing(
    gateway: RunningGateway, provider: Provider, canary: Canary, path: str
) -> None:
    provider.play(answer(path))
    reply = post(gateway, path, {**orders(canary), **ask("oai", path)})
    assert reply.status == 200
    asked = provider.received()
    assert asked.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert "injected" not in f"{asked.path} {asked.headers}"
    assert (len(provider.requests), canary.visits) == (1, 0)


def test_content_that_is_recorded_has_no_copy_that_no_scrubber_can_read(provider: Provider) -> None:
    capture = "  telemetry: {capture_content: span}"
    with gateway_before(provider, capture, backend="direct") as gateway:
        provider.play(answer(EMBED))
        reply = post(gateway, EMBED, ask("oai", EMBED, "key sk-canary-0123456789abcdef of mine"))
        ended = gateway.transaction(reply.request_id)
        recorded = str([dict(span.attributes or {}) for span in (ended.span, *ended.others)])
        assert "of mine" in recorded
        assert "canary" not in recorded
        assert "c2stY2FuYXJ5" not in recorded, "not in base64 either"


def test_nothing_is_left_in_flight(direct: RunningGateway) -> None:
    until(lambda: direct.in_flight() == 0, "all requests have ended")
    assert sum(direct.outcomes().values()) == len(direct.transactions())

"""Policies that misbehave, and ones that do their work: the client always gets a legal end, telemetry the outcome."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, Reply, ask, post
from tests.behaviour.gateway import Gateways, RunningGateway, configuration, simulated
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import call_stream, content_of, gateway_before, text_reply, text_stream, with_tool
from tests.upstream import openai_events, stream_of

GatewayWith = Callable[[str], RunningGateway]
STREAM_HOOKS = (
    "on_chunk",
    "on_content_delta",
    "on_content_complete",
    "on_thinking_delta",
    "on_thinking_complete",
    "on_tool_call_delta",
    "on_tool_call_complete",
    "on_finish_reason",
    "on_stream_complete",
)
EVERYTHING = "thinking-3+tools"
TEXT = "thinking-2+lorem-4"
LIMITS = "  pipeline: {policy_timeout: 200ms, policy_emit_limit: 50}"
WAYS = [(path, stream) for path in (CHAT, MESSAGES, RESPONSES) for stream in (True, False)]
ways = pytest.mark.parametrize(("path", "stream"), WAYS)


def use(policy: str, hook: str | None = None, on_error: str = "fail_closed") -> str:
    config = f", config: {{hook: {hook}}}" if hook else ""
    return f"  policies: [{{use: 'tests.behaviour.policies:{policy}'{config}, on_error: {on_error}}}]\n{LIMITS}"


@pytest.fixture(scope="module")
def gateway_with() -> Iterator[GatewayWith]:
    with Gateways() as gateways:
        yield lambda gateway: gateways(configuration(simulated(EVERYTHING, TEXT, "tools-2"), gateway))


def everything(path: str, stream: bool) -> dict[str, Any]:
    """A request that meets every hook: thinking, then a call, or text where there is no tool."""
    return ask(EVERYTHING, path, stream=stream, **with_tool(path))


def models_for(hook: str) -> str:
    return TEXT if "content" in hook else EVERYTHING


def answered(path: str, reply: Reply, stream: bool) -> tuple[str, Any, Any]:
    """Text, calls and error of a reply of either form, a streamed one checked for legality."""
    if stream and reply.status == 200:
        return content_of(path, reply.body)
    body = reply.json()
    if reply.status != 200:
        return "", [], body["error"]
    if path == CHAT:
        message = body["choices"][0]["message"]
        calls = [(one["function"]["name"], one["function"]["arguments"]) for one in message.get("tool_calls") or ()]
        assert body["choices"][0]["finish_reason"]
        return message["content"] or "", calls, None
    if path == RESPONSES:
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        calls = [(one["name"], one["arguments"]) for one in body["output"] if one["type"] == "function_call"]
        assert body["status"] == "completed"
        return "".join(part["text"] for part in parts), calls, None
    calls = [(block["name"], json.dumps(block["input"])) for block in body["content"] if block["type"] == "tool_use"]
    assert body["stop_reason"]
    return "".join(block["text"] for block in body["content"] if block["type"] == "text"), calls, None


@pytest.mark.parametrize("hook", ["on_request", "on_response", *STREAM_HOOKS])
def test_a_policy_that_raises_ends_what_it_guards(gateway_with: GatewayWith, hook: str) -> None:
    gateway = gateway_with(use("Raises", hook))
    for path, stream in _ways_of(hook):
        reply = post(gateway, path, ask(models_for(hook), path, stream=stream, **with_tool(path)))
        _, _, error = answered(path, reply, stream)
        assert error is not None, (path, stream)
        assert "canary" not in reply.body.decode()
        ended = gateway.transaction(reply.request_id)
        assert ended.outcome == "internal_error"
        assert ended["error.type"] == "policy_failed"
        assert hook in ended["flowspan.detail"]


@pytest.mark.parametrize("hook", ["on_request", "on_response", *STREAM_HOOKS])
def test_a_policy_that_raises_and_fails_open_loses_nothing(gateway_with: GatewayWith, hook: str) -> None:
    plain, gateway = gateway_with(""), gateway_with(use("Raises", hook, "fail_open"))
    for path, stream in _ways_of(hook):
        asked = ask(models_for(hook), path, stream=stream, **with_tool(path))
        reply = post(gateway, path, asked)
        assert answered(path, reply, stream) == answered(path, post(plain, path, asked), stream)
        ended = gateway.transaction(reply.request_id)
        assert ended.outcome == "ok"
        assert "policy.decision" in ended.events
    decided = gateway.sample("flowspan_policy_decisions_total", hook=hook, decision="failed_open")
    assert decided == len(_ways_of(hook))


@pytest.mark.parametrize("hook", ["on_request", "on_response", *STREAM_HOOKS])
def test_a_policy_that_says_no_is_heard_by_the_caller(gateway_with: GatewayWith, hook: str) -> None:
    gateway = gateway_with(use("Blocks", hook, "fail_open"))
    for path, stream in _ways_of(hook):
        reply = post(gateway, path, ask(models_for(hook), path, stream=stream, **with_tool(path)))
        _, _, error = answered(path, reply, stream)
        assert error["message"] == "This is not allowed here."
        assert reply.status in (200, 400)
        assert gateway.transaction(reply.request_id).outcome == "policy_blocked"


@pytest.mark.parametrize("hook", ["on_request", "on_response", "on_chunk", "on_content_delta", "on_stream_complete"])
@pytest.mark.parametrize("policy", ["Hangs", "SwallowsEverything"])
def test_a_policy_that_hangs_is_a_timeout(gateway_with: GatewayWith, hook: str, policy: str) -> None:
    gateway = gateway_with(use(policy, hook))
    for path, stream in _ways_of(hook):
        reply = post(gateway, path, ask(TEXT, path, stream=stream))
        _, _, error = answered(path, reply, stream)
        assert error is not None
        ended = gateway.transaction(reply.request_id)
        assert ended.outcome == "timeout"
        assert ended["error.type"] == "policy_timeout"
        assert ended["flowspan.time.policy_s"] > 0.15
    assert gateway.sample("flowspan_policy_timeouts_total", hook=hook) == len(_ways_of(hook))


@pytest.mark.parametrize("hook", ["on_request", "on_response", "on_chunk", "on_content_delta"])
def test_a_policy_that_blocks_the_loop_is_noticed(gateway_with: GatewayWith, hook: str) -> None:
    """It cannot be stopped, but it does not go unseen."""
    gateway = gateway_with(use("BlocksTheLoop", hook))
    [(path, stream), *_] = _ways_of(hook)
    reply = post(gateway, path, ask(TEXT, path, stream=stream))
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "timeout"
    assert ended["flowspan.time.policy_s"] > 0.35
    assert gateway.sample("flowspan_policy_timeouts_total", hook=hook) == 1


@pytest.mark.parametrize("hook", ["on_chunk", "on_content_delta", "on_finish_reason", "on_stream_complete"])
@pytest.mark.parametrize("on_error", ["fail_closed", "fail_open"])
def test_a_policy_that_floods_is_stopped(gateway_with: GatewayWith, hook: str, on_error: str) -> None:
    gateway = gateway_with(use("Floods", hook, on_error))
    for path, stream in WAYS:
        reply = post(gateway, path, ask(TEXT, path, stream=stream))
        text, _, error = answered(path, reply, stream)
        assert error is not None
        assert text.count("flood") <= 50
        assert gateway.transaction(reply.request_id)["error.type"] == "policy_flooded"


@pytest.mark.parametrize("policy", ["Drops", "DropsChunks"])
@ways
def test_a_policy_that_emits_nothing_leaves_a_legal_empty_answer(
    gateway_with: GatewayWith, policy: str, path: str, stream: bool
) -> None:
    gateway = gateway_with(use(policy))
    reply = post(gateway, path, everything(path, stream))
    assert reply.status == 200
    assert answered(path, reply, stream) == ("", [], None)
    assert gateway.transaction(reply.request_id).outcome == "ok"


@ways
def test_what_a_policy_inserts_stands_in_a_legal_order(gateway_with: GatewayWith, path: str, stream: bool) -> None:
    gateway = gateway_with(use("Inserts"))
    reply = post(gateway, path, ask(TEXT, path, stream=stream))
    text, calls, error = answered(path, reply, stream)
    assert (text, error) == ("<lorem ipsum dolor sit> P.S.", None)
    assert [(name, json.loads(arguments)) for name, arguments in calls] == [("audit", {"level": 1})]
    if path == MESSAGES and not stream:
        assert reply.json()["stop_reason"] == "tool_use"
    two = post(gateway, path, ask("tools-2", path, stream=stream, **with_tool(path)))
    assert [name for name, _ in answered(path, two, stream)[1]] == ["get_weather", "get_weather", "audit"]


@ways
def test_policies_chain_in_their_order(gateway_with: GatewayWith, path: str, stream: bool) -> None:
    chain = "  policies: ['tests.behaviour.policies:Inserts', 'tests.behaviour.policies:Shouts', noop]"
    gateway = gateway_with(chain)
    reply = post(gateway, path, ask(TEXT, path, stream=stream))
    assert answered(path, reply, stream)[0] == "<LOREM IPSUM DOLOR SIT> P.S."


@pytest.fixture(scope="module")
def redacting(provider: Provider) -> Iterator[RunningGateway]:
    with gateway_before(provider, "  policies: [{use: redact, config: {patterns: [email]}}]") as running:
        yield running


@ways
@pytest.mark.parametrize("model", ["oai", "ant"])
def test_the_provider_sees_a_redacted_request(
    redacting: RunningGateway, provider: Provider, path: str, stream: bool, model: str
) -> None:
    provider.play(text_stream(model) if stream else text_reply(model))
    assert post(redacting, path, ask(model, path, "write to canary@example.org now", stream=stream)).status == 200
    sent = provider.received().body.decode()
    assert "canary" not in sent
    assert "write to [EMAIL] now" in sent


def test_what_was_taken_out_of_a_request_is_counted_and_noted(redacting: RunningGateway, provider: Provider) -> None:
    def counted() -> float:
        return redacting.sample(
            "flowspan_policy_decisions_total", policy="redact", hook="on_request", decision="redacted"
        )

    before = counted()
    replies = []
    for text in ("write to canary@example.org now", "write to nobody"):
        provider.play(text_reply("oai"))
        replies.append(post(redacting, CHAT, ask("oai", CHAT, text)))

    changed, unchanged = (redacting.transaction(reply.request_id) for reply in replies)
    decisions = [event.attributes for event in changed.span.events if event.name == "policy.decision"]
    assert decisions == [{"flowspan.policy": "redact", "flowspan.hook": "on_request", "flowspan.decision": "redacted"}]
    assert "policy.decision" not in unchanged.events
    assert counted() == before + 1


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("size", [1, 2, 5, 200])
def test_what_is_cut_across_chunks_is_redacted_all_the_same(
    redacting: RunningGateway, provider: Provider, path: str, size: int
) -> None:
    text = "Mail canary@example.org, or canary.two@sub.example.com: thanks"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    provider.play(text_stream("oai", words=tuple(pieces)) if size < 200 else text_stream("ant", words=tuple(pieces)))
    reply = post(redacting, path, ask("oai" if size < 200 else "ant", path, stream=True))
    assert content_of(path, reply.body) == ("Mail [EMAIL], or [EMAIL]: thanks", [], None)
    assert b"canary" not in reply.body
    assert redacting.transaction(reply.request_id).events.count("policy.decision") == 1


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_arguments_of_calls_are_redacted(redacting: RunningGateway, provider: Provider, path: str) -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "mail", "arguments": ""}}
    parts = ['{"to": "can', "ary@exam", 'ple.org", "n": 1}']
    deltas = [{"tool_calls": [call]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in parts]
    provider.play(stream_of(openai_events(*deltas, finish="tool_calls")))
    reply = post(redacting, path, ask("oai", path, stream=True, **with_tool(path)))
    assert content_of(path, reply.body)[1] == [("mail", '{"to": "[EMAIL]", "n": 1}')]


def test_calls_that_nothing_matches_go_through_as_they_came(redacting: RunningGateway, provider: Provider) -> None:
    provider.play(call_stream("ant"))
    reply = post(redacting, MESSAGES, ask("ant", MESSAGES, stream=True, **with_tool(MESSAGES)))
    assert [name for name, _ in content_of(MESSAGES, reply.body)[1]] == ["get_weather"]


def test_a_policys_work_is_counted(gateway_with: GatewayWith) -> None:
    gateway = gateway_with(use("Raises", "on_content_complete", "fail_open") + "\n  breakers: {}")
    post(gateway, CHAT, ask(TEXT, stream=True))
    assert gateway.sample("flowspan_policy_skipped_total", kind="content") > 0
    assert gateway.sample("flowspan_policy_evaluated_total", kind="content") == 0
    gateway = gateway_with(use("Shouts"))
    post(gateway, CHAT, ask(TEXT, stream=True))
    assert gateway.sample("flowspan_policy_skipped_total") == 0
    assert gateway.sample("flowspan_policy_evaluated_total", kind="content") == 1
    assert gateway.sample("flowspan_policy_hook_seconds_count", hook="on_content_delta") == 4


def _ways_of(hook: str) -> list[tuple[str, bool]]:
    """`on_response` sees only what is not streamed."""
    return [(path, stream) for path, stream in WAYS if not (stream and hook == "on_response")]

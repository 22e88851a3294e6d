"""A person's request can be found: by each id that a client may send, as docs/finding-requests.md has it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings.telemetry import CONVERSATION_FROM, USER_FROM
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.behaviour.provider import Provider
from tests.behaviour.responses import events, models, text, whole_text
from tests.behaviour.responses import reply as response_reply
from tests.behaviour.scripted import gateway_before, text_reply
from tests.upstream import json_reply

PAGE = Path(__file__).parents[2] / "docs" / "finding-requests.md"
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
"""Source, attribute and field of each id."""
WITHOUT_SENDING = {"previous_response", "fingerprint"}
DIALECTS = (CHAT, MESSAGES, RESPONSES)
CONVERSATION = "gen_ai.conversation.id"
GATEWAY = """
  telemetry: {attributes: {tenant: 'header:x-tenant', acme.project: 'body:metadata.project'}}
  server: {forwarded_allow_ips: [127.0.0.1, 10.0.0.0/8]}
"""
WILDCARD = ["claude-*: {model: simulated/*}"]


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated("lorem-2", "status-503") + WILDCARD, GATEWAY)) as running:
        yield running


def request_with(source: str, value: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields and headers that have `value` at a source."""
    kind, _, rest = source.partition(":")
    name, _, field = rest.partition("/")
    text = json.dumps({field: value}) if field else value
    if kind == "header":
        return {}, {name: text}
    if kind == "baggage":
        return {}, {"baggage": f"other=1,{name}={text}"}
    body: Any = text
    for part in reversed(name.split(".")):
        body = {part: body}
    return body, {}


@pytest.mark.parametrize("path", DIALECTS)
def test_every_id_is_found_where_the_page_says(gateway: RunningGateway, path: str) -> None:
    sent: list[tuple[str, str, str, str]] = []
    for number, (source, attribute, field) in enumerate(ROWS):
        if source not in WITHOUT_SENDING:
            fields, headers = request_with(source, f"id-{number}")
            reply = post(gateway, path, ask("lorem-2", path, **fields), headers)
            sent.append((reply.request_id, attribute, field, f"id-{number}"))

    for request_id, attribute, field, value in sent:
        transaction = gateway.transaction(request_id)
        assert transaction.get(attribute) == value
        assert gateway.log_line(transaction_id=request_id)[field] == value
        [attempt] = transaction.attempts
        if attribute == CONVERSATION:
            assert transaction["session.id"] == value
            assert (attempt.attributes or {})["session.id"] == value
        if attribute in (CONVERSATION, "user.id", "gen_ai.agent.id", "flowspan.agent.parent_id"):
            assert (attempt.attributes or {})[attribute] == value


def test_the_page_has_the_sources_of_the_settings_in_their_order() -> None:
    assert tuple(source for source, attribute, _ in ROWS if attribute == CONVERSATION) == CONVERSATION_FROM
    assert tuple(source for source, attribute, _ in ROWS if attribute == "user.id") == USER_FROM


@pytest.mark.parametrize("path", DIALECTS)
def test_without_any_id_the_turns_of_a_conversation_are_one_by_how_it_begins(
    gateway: RunningGateway, path: str
) -> None:
    first = {"role": "user", "content": f"my question on {path}"}
    later = [first, {"role": "assistant", "content": "an answer"}, {"role": "user", "content": "and then?"}]
    name = "input" if path == RESPONSES else "messages"
    found = []
    for messages in ([first], later, [{"role": "user", "content": "another question"}]):
        reply = post(gateway, path, {**ask("lorem-2", path), name: messages})
        found.append(gateway.transaction(reply.request_id)[CONVERSATION])

    assert found[0].startswith("fp_")
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("stream", [False, True])
def test_responses_that_go_on_from_one_another_are_one_conversation(provider: Provider, stream: bool) -> None:
    provider.play(events(text()) if stream else response_reply(whole_text()))
    with RunningGateway(configuration(models(provider))) as gateway:
        post(gateway, RESPONSES, ask("res", RESPONSES, stream=stream), {"session_id": "the-session"})
        second = post(gateway, RESPONSES, ask("res", RESPONSES, stream=stream, previous_response_id="resp_1"))

        transaction = gateway.transaction(second.request_id)
    assert transaction[CONVERSATION] == "the-session"
    assert transaction["gen_ai.request.previous_response.id"] == "resp_1"


def test_no_id_makes_a_time_series(gateway: RunningGateway) -> None:
    def series() -> set[tuple[str, frozenset[tuple[str, str]]]]:
        return {
            (sample.name, frozenset(sample.labels.items()))
            for family in gateway.telemetry.registry.collect()
            for sample in family.samples
        }

    def everything(number: int) -> Reply:
        body: dict[str, Any] = {}
        headers = {"x-tenant": f"tenant-{number}", "user-agent": f"agent/{number}.0"}
        for source, *_ in ROWS:
            if source not in WITHOUT_SENDING:
                fields, more = request_with(source, f"fuzz-{number}")
                body |= fields
                headers |= more
        return post(gateway, CHAT, ask("lorem-2", **body), headers)

    everything(0)
    gateway.wait_until_idle()
    before = series()
    for number in range(1, 40):
        everything(number)
    gateway.wait_until_idle()
    assert series() == before


def test_ids_are_bounded_scrubbed_and_printable(gateway: RunningGateway) -> None:
    key = "sk-ant-REDACTED"
    hostile = {"session_id": "a" * 9000, "x-client-request-id": f"id {key}", "x-tenant": "t\u00a0x\u0085y"}
    headers = {name: value.encode().decode("latin-1") for name, value in hostile.items()}
    reply = post(gateway, CHAT, ask("lorem-2", user="line\none\u202e\x00end"), headers)
    transaction = gateway.transaction(reply.request_id)
    assert len(transaction[CONVERSATION]) == 256
    assert key not in transaction["flowspan.client_request_id"]
    assert transaction["user.id"] == "lineoneend"
    assert transaction["tenant"].isprintable()


def test_attributes_of_the_operators_choice_are_on_span_and_line(gateway: RunningGateway) -> None:
    reply = post(gateway, CHAT, ask("lorem-2", metadata={"project": "apollo"}), {"x-tenant": "acme"})
    transaction = gateway.transaction(reply.request_id)
    assert (transaction["tenant"], transaction["acme.project"]) == ("acme", "apollo")
    line = gateway.log_line(transaction_id=reply.request_id)
    assert line["attributes"] == {"tenant": "acme", "acme.project": "apollo"}


@pytest.mark.parametrize(
    ("path", "fields", "user"),
    [
        (CHAT, {"user": "canary@example.org", "metadata": {"session_id": "s-1"}}, "[EMAIL]"),
        (RESPONSES, {"safety_identifier": "canary@example.org", "prompt_cache_key": "s-1"}, "[EMAIL]"),
        (MESSAGES, {"metadata": {"user_id": "canary@example.org", "session_id": "s-1"}}, "[EMAIL]"),
        (CHAT, {"user": "plain", "metadata": {"session_id": "s-1"}}, "plain"),
    ],
)
def test_what_a_policy_takes_out_of_an_id_is_recorded_nowhere(
    provider: Provider, path: str, fields: dict[str, Any], user: str
) -> None:
    del provider
    with RunningGateway(configuration(simulated("lorem-2"), "  policies: [redact]")) as gateway:
        reply = post(gateway, path, ask("lorem-2", path, **fields))
        transaction = gateway.transaction(reply.request_id)
        line = gateway.log_line(transaction_id=reply.request_id)
        recorded = json.dumps([str(span.attributes) for span in gateway.spans()]) + gateway.log.getvalue()
    assert (transaction["user.id"], line["user"]) == (user, user)
    assert (transaction[CONVERSATION], line["conversation"]) == ("s-1", "s-1")
    assert "canary" not in recorded


class TestTheAccessLine:
    def test_it_tells_who_asked_what_and_what_came_of_it(self, gateway: RunningGateway) -> None:
        headers = {
            "user-agent": "claude-cli/2.1.0 (external; cli)",
            "x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.1.1.1",
        }
        reply = post(gateway, MESSAGES, ask("claude-lorem-2", MESSAGES), headers)
        line = gateway.log_line(transaction_id=reply.request_id)
        assert line["level"] == "info"
        assert line["client_address"] == "203.0.113.9"
        assert line["user_agent"] == "claude-cli/2.1.0"
        assert (line["method"], line["route"]) == ("POST", "/v1/messages")
        assert (line["model"], line["asked_model"]) == ("claude-*", "claude-lorem-2")
        assert (line["attempts"], line["retries"]) == (1, 0)
        assert line["finish_reason"] == "stop"
        assert line["input_tokens"] > 0
        assert line["output_tokens"] > 0
        assert line["deployment"] == "claude-*"
        assert gateway.transaction(reply.request_id)["client.address"] == "203.0.113.9"

    def test_an_unknown_model_is_named(self, gateway: RunningGateway) -> None:
        reply = post(gateway, CHAT, ask("gpt-9\u202e" + "x" * 999))
        line = gateway.log_line(transaction_id=reply.request_id)
        assert (line["outcome"], line["level"], line["model"]) == ("client_error", "info", "other")
        assert line["asked_model"].startswith("gpt-9xxx")
        assert len(line["asked_model"]) == 256

    def test_a_provider_that_fails_is_a_warning(self, gateway: RunningGateway) -> None:
        reply = post(gateway, CHAT, ask("status-503"), {"x-session-id": "s"})
        line = gateway.log_line(transaction_id=reply.request_id)
        assert (line["outcome"], line["level"], line["conversation"]) == ("upstream_error", "warning", "s")
        assert line["detail"] == "the provider answered with an error"

    def test_a_body_that_nobody_understands_has_the_ids_of_its_head(self, gateway: RunningGateway) -> None:
        reply = post(gateway, CHAT, b"{", {"session_id": "s-7", "x-tenant": "acme"})
        line = gateway.log_line(transaction_id=reply.request_id)
        assert (line["conversation"], line["attributes"]) == ("s-7", {"tenant": "acme"})

    def test_a_retry_that_saved_a_request_leaves_a_line(self, provider: Provider) -> None:
        scripts = {1: json_reply({"error": {"message": "canary"}}, 503), 2: text_reply("oai")}
        provider.play(lambda number, _: scripts[number])
        with gateway_before(provider, rest="litellm_settings: {num_retries: 1}", backend="direct") as gateway:
            reply = post(gateway, CHAT, ask("oai"))
            retried = gateway.log_line(message="attempt failed, retried")
            line = gateway.log_line(logger="flowspan.access", transaction_id=reply.request_id)
        assert retried["level"] == "warning"
        assert retried["transaction_id"] == reply.request_id
        assert (retried["error_type"], retried["deployment"]) == ("upstream_error", line["deployment"])
        assert retried["wait_s"] > 0
        assert "canary" not in retried["detail"]
        assert (line["outcome"], line["level"], line["attempts"], line["retries"]) == ("ok", "info", 2, 1)

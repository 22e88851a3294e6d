"""An agent's run with two subagents, as the real Phoenix shows it: prompts, answers, tools, tokens, and one session."""

import contextlib
import io
import json
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from app.main import make_telemetry
from app.policies import load_policies
from app.settings import Settings
from telemetry import Telemetry
from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import ARGUMENTS, call_stream, models, text_reply, text_stream, with_tool
from tests.real.phoenix import Phoenix, phoenix
from tests.upstream import Received, Script, openai_error

pytestmark = pytest.mark.timeout(700)
MAIL = "jane.doe@canary.example"
SESSION = "0b5e7f60-agent-run"
GATEWAY = """
  policies: [{use: redact, config: {patterns: [email]}}]
  telemetry: {capture_content: span, openinference: true}"""


RETRIES = "router_settings: {num_retries: 1, retry_after: 0}"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    with phoenix(tmp_path_factory.mktemp("phoenix")) as running:
        yield running


def answers(number: int, request: Received) -> Script:
    """The main agent calls a tool, each subagent answers, and so does the main agent in the end."""
    return {
        1: call_stream("ant"),
        2: text_stream("oai", words=("Sunny", " all", " day")),
        3: openai_error(503, "busy"),
        4: text_reply("oai"),
    }.get(number, text_stream("ant", words=("Take", " the", " train")))


def headers(agent: str = "", parent: str = "") -> dict[str, str]:
    ids = {"x-claude-code-agent-id": agent, "x-claude-code-parent-agent-id": parent} if agent else {}
    return {"x-claude-code-session-id": SESSION, **ids}


def run_of_an_agent(gateway: RunningGateway) -> None:
    task = f"Plan a trip for {MAIL}"
    first = ask("ant", MESSAGES, task, system="You plan trips.", stream=True, **with_tool(MESSAGES))
    assert post(gateway, MESSAGES, first, headers()).status == 200
    weather = ask("oai", CHAT, "What is the weather?", stream=True)
    assert post(gateway, CHAT, weather, headers("weather", "main")).status == 200
    assert post(gateway, CHAT, ask("oai", CHAT, "Which trains go?"), headers("trains", "main")).status == 200
    call = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": json.loads(ARGUMENTS)}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": f"Sunny, says {MAIL}"}
    turns = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert post(gateway, MESSAGES, {**first, "messages": [*first["messages"], *turns]}, headers()).status == 200


@pytest.fixture(scope="module")
def spans(viewer: Phoenix) -> list[dict[str, Any]]:
    """All spans of the run, in the order in which they began."""

    def exporting(settings: Settings) -> Telemetry:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": viewer.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with patch.dict(os.environ, variables), contextlib.redirect_stderr(io.StringIO()):
            return make_telemetry(settings, load_policies(settings.policies))

    with Provider() as provider:
        provider.play(answers)
        with RunningGateway(configuration(models(provider, "direct"), GATEWAY, RETRIES), exporting) as gateway:
            run_of_an_agent(gateway)
    transactions, attempts = 4, 5
    found = viewer.spans(transactions + attempts + 3 * 5)
    return sorted(found, key=lambda span: str(span["start_time"]))


def of_kind(spans: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [span["attributes"] for span in spans if span["span_kind"] == kind]


def test_each_attempt_is_one_call_of_a_model_and_a_transaction_is_none(spans: list[dict[str, Any]]) -> None:
    assert len(of_kind(spans, "LLM")) == 5
    assert len(of_kind(spans, "CHAIN")) == 4
    assert {span["name"] for span in spans if span["span_kind"] == "LLM"} == {
        "chat claude-scripted",
        "chat gpt-scripted",
    }


def test_prompts_answers_and_tools_are_shown(spans: list[dict[str, Any]]) -> None:
    first, weather, failed, trains, last = of_kind(spans, "LLM")
    assert [first[f"llm.input_messages.{at}.message.role"] for at in (0, 1)] == ["system", "user"]
    assert first["llm.input_messages.0.message.content"] == "You plan trips."
    assert first["llm.input_messages.1.message.content"].startswith("Plan a trip for ")
    called = "llm.output_messages.0.message.tool_calls.0.tool_call"
    assert first[f"{called}.function.name"] == "get_weather"
    assert json.loads(first[f"{called}.function.arguments"]) == json.loads(ARGUMENTS)
    assert json.loads(first["llm.tools.0.tool.json_schema"])["function"]["name"] == "get_weather"
    assert weather["llm.output_messages.0.message.content"] == "Sunny all day"
    assert (weather["llm.token_count.prompt"], weather["llm.token_count.completion"]) == (9, 4)
    assert "llm.input_messages.0.message.role" not in failed
    assert trains["llm.output_messages.0.message.content"] == "Hello, world"
    roles = [last[f"llm.input_messages.{at}.message.role"] for at in range(4)]
    assert roles == ["system", "user", "assistant", "tool"]
    assert last["llm.input_messages.3.message.tool_call_id"] == "call_1"
    assert last["llm.input_messages.3.message.content"].startswith("Sunny, says ")
    assert last["llm.output_messages.0.message.content"] == "Take the train"


def test_lists_of_traces_have_a_question_and_its_answer(spans: list[dict[str, Any]]) -> None:
    chains = of_kind(spans, "CHAIN")
    assert [chain["output.value"] for chain in chains[1:]] == ["Sunny all day", "Hello, world", "Take the train"]
    assert [chain["input.value"] for chain in chains[1:3]] == ["What is the weather?", "Which trains go?"]


def test_what_a_policy_removed_is_nowhere(spans: list[dict[str, Any]]) -> None:
    assert MAIL not in json.dumps(spans)


def test_the_run_is_one_session(viewer: Phoenix, spans: list[dict[str, Any]]) -> None:
    [session] = viewer.sessions()
    assert session["session_id"] == SESSION
    assert len(session["traces"]) == 4

"""Coding agents whole turns long: tools, subagents, a context that overflows, a field that the model refuses.

docs/agents.md has the table of what passes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.agents import KEY, MODELS, Api, Turn, World, claude, codex, opencode, world
from tests.upstream import Script, anthropic_error

pytestmark = pytest.mark.timeout(400)
_WORD = "canary-4711"
_LONG = "overflow-word"


@pytest.fixture(scope="module")
def agents() -> Iterator[World]:
    with world() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "short.txt").write_text(f"{_WORD}\n")
    (tmp_path / "long.txt").write_text(f"{_LONG} and more\n" * 1500)
    return tmp_path


def _outcomes(agents: World, since: int) -> list[str]:
    agents.gateway.wait_until_idle()
    return [one.outcome for one in agents.gateway.transactions(since)]


def _last_text(events: list[Any]) -> str:
    """What Codex's model said last."""
    messages = [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]
    assert messages, events
    return str(messages[-1])


def _is_of_subagent(turn: Turn) -> bool:
    """Whether it begins a subagent of Codex: its prompt is the payload of the last message."""
    last = json.dumps((turn.body.get("messages") or turn.body["input"])[-1])
    return "Payload:" in last and "SUBTASK" in last


def _found(turn: Turn) -> Script:
    return turn.text(f"It says {_WORD}." if _WORD in turn.conversation else "It says nothing.")


@pytest.mark.parametrize("api", MODELS)
def test_claude_code_reads_a_file(agents: World, folder: Path, api: Api) -> None:
    path = str(folder / "short.txt")
    agents.script(lambda turn: _found(turn) if turn.has_results else turn.call("Read", {"file_path": path}))
    result = claude(agents, folder, MODELS[api])
    assert (result["result"], result["is_error"], result["num_turns"]) == (f"It says {_WORD}.", False, 2)


@pytest.mark.parametrize("api", MODELS)
def test_codex_runs_a_command(agents: World, folder: Path, api: Api) -> None:
    agents.script(
        lambda turn: _found(turn) if turn.has_results else turn.call("exec_command", {"cmd": "cat short.txt"})
    )
    events = codex(agents, folder, MODELS[api])
    assert _last_text(events) == f"It says {_WORD}."
    assert events[-1]["type"] == "turn.completed"


@pytest.mark.parametrize("api", MODELS)
def test_codex_applies_a_patch(agents: World, folder: Path, api: Api) -> None:
    """It calls the tool for that with plain text, and its answer to the patch is about what was done."""
    patch = f'*** Begin Patch\n*** Update File: short.txt\n@@\n-{_WORD}\n+a "new" word\\n\n*** End Patch\n'

    def model(turn: Turn) -> Script:
        return turn.text("It is done.") if turn.has_results else turn.call_custom("apply_patch", patch)

    agents.script(model)
    since = len(agents.gateway.transactions())
    events = codex(agents, folder, f"gpt-5.5-by-{api}")
    assert (folder / "short.txt").read_text() == 'a "new" word\\n\n'
    assert _last_text(events) == "It is done."
    first, last = agents.turns[0].tool("apply_patch"), agents.turns[-1].conversation
    assert (first.get("type") == "custom") == (api == "responses")
    assert ("lark" in json.dumps(first), "raw_arguments" in last) == (True, False)
    assert set(_outcomes(agents, since)) == {"ok"}


@pytest.mark.parametrize("api", MODELS)
def test_codex_runs_a_script_with_the_tools_that_stand_in_its_input(agents: World, folder: Path, api: Api) -> None:
    """To models that it knows as newer it offers one tool, in a namespace and called with plain text; the script there
    calls all the others."""
    script = 'const done = await tools.exec_command({cmd: "cat short.txt"});\ntext(done.output);\n'

    def model(turn: Turn) -> Script:
        if turn.has_results:
            return _found(turn)
        if api == "responses":
            return turn.call_custom("exec", script, namespace="functions")
        return turn.call_custom("functions__exec", script)

    agents.script(model)
    since = len(agents.gateway.transactions())
    events = codex(agents, folder, f"gpt-6.2-sol-by-{api}")
    assert _last_text(events) == f"It says {_WORD}."
    assert set(_outcomes(agents, since)) == {"ok"}


@pytest.mark.parametrize(("api", "package"), [("messages", "@ai-sdk/anthropic"), ("chat", "@ai-sdk/openai-compatible")])
def test_opencode_reads_a_file(agents: World, folder: Path, api: Api, package: str) -> None:
    path = str(folder / "short.txt")

    def model(turn: Turn) -> Script:
        if turn.has_results or "read" not in turn.tools:
            return _found(turn)
        return turn.call("read", {"filePath": path})

    agents.script(model)
    events = opencode(agents, folder, MODELS[api], package)
    texts = [event["part"]["text"] for event in events if event["type"] == "text"]
    assert texts == [f"It says {_WORD}."], events


@pytest.mark.parametrize("api", ["messages", "chat"])
def test_claude_code_has_a_subagent_do_it(agents: World, folder: Path, api: Api) -> None:
    task = {"description": "a task", "prompt": "SUBTASK: say the word", "subagent_type": "general-purpose"}

    def model(turn: Turn) -> Script:
        if "Agent" not in turn.tools:
            return turn.text(f"The word is {_WORD}.")
        return _found(turn) if turn.has_results else turn.call("Agent", {**task, "run_in_background": False})

    agents.script(model)
    result = claude(agents, folder, MODELS[api])
    assert (result["result"], result["is_error"]) == (f"It says {_WORD}.", False)
    assert any("SUBTASK" in turn.conversation and "Agent" not in turn.tools for turn in agents.turns)


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_codex_has_a_subagent_do_it(agents: World, folder: Path, api: Api) -> None:
    """Its tools for subagents stand in a namespace, which only the Responses API has."""

    def call(turn: Turn, name: str, arguments: dict[str, Any]) -> Script:
        if api == "chat":
            return turn.call(f"collaboration__{name}", arguments)
        return turn.call(name, arguments, namespace="collaboration")

    def model(turn: Turn) -> Script:
        if _is_of_subagent(turn):
            return turn.text(f"The word is {_WORD}.")
        if not turn.has_results:
            return call(turn, "spawn_agent", {"message": "SUBTASK: say the word", "task_name": "a_task"})
        return _found(turn) if _WORD in turn.conversation else call(turn, "wait_agent", {"timeout_ms": 30000})

    agents.script(model)
    since = len(agents.gateway.transactions())
    events = codex(agents, folder, MODELS[api], settings="[features]\nmulti_agent_v2 = true")
    assert _last_text(events) == f"It says {_WORD}."
    assert any(map(_is_of_subagent, agents.turns))
    assert set(_outcomes(agents, since)) == {"ok"}


@pytest.mark.parametrize("api", MODELS)
def test_claude_code_makes_its_conversation_shorter_when_it_is_too_long(agents: World, folder: Path, api: Api) -> None:
    path = str(folder / "long.txt")

    def model(turn: Turn) -> Script:
        if turn.number == 1:
            return turn.call("Read", {"file_path": path})
        if "Your task is to create a detailed summary" in turn.conversation or "SUMMARY-OF-IT" in turn.conversation:
            return turn.text("<summary>SUMMARY-OF-IT: a file was read.</summary>")
        return turn.too_long() if _LONG in turn.conversation else turn.text("There is room.")

    agents.script(model)
    since = len(agents.gateway.transactions())
    result = claude(agents, folder, MODELS[api])
    assert (result["subtype"], result["is_error"]) == ("success", False)
    assert any("SUMMARY-OF-IT" in turn.conversation for turn in agents.turns), [
        turn.conversation[-300:] for turn in agents.turns
    ]
    assert "client_error" in _outcomes(agents, since)


@pytest.mark.parametrize("api", MODELS)
def test_codex_makes_its_conversation_shorter_when_it_is_too_long(agents: World, folder: Path, api: Api) -> None:
    """It tells of the overflow, and makes room before the next prompt."""

    def model(turn: Turn) -> Script:
        if turn.number == 1:
            return turn.call("exec_command", {"cmd": "cat long.txt"})
        if not turn.tools:
            return turn.text("SUMMARY-OF-IT: a file was read.")
        return turn.too_long() if _LONG in turn.conversation else turn.text("There is room.")

    agents.script(model)
    failed = codex(agents, folder, MODELS[api])
    assert "ran out of room" in failed[-1]["error"]["message"], failed[-1]
    assert _last_text(codex(agents, folder, MODELS[api], "resume", "--last")) == "There is room."
    assert "SUMMARY-OF-IT" in agents.turns[-1].conversation


def test_claude_code_asks_again_without_a_field_that_the_model_refuses(agents: World, folder: Path) -> None:
    """It knows the refusal by its words, so these have to come as the provider wrote them."""
    refusal = anthropic_error(400, "invalid_request_error", "This model does not support the effort parameter.")

    def model(turn: Turn) -> Script:
        return refusal if "effort" in turn.body.get("output_config", {}) else turn.text("Without it, then.")

    agents.script(model)
    result = claude(agents, folder, MODELS["messages"])
    assert (result["result"], result["is_error"]) == ("Without it, then.", False)
    assert ["effort" in turn.body.get("output_config", {}) for turn in agents.turns][:2] == [True, False]


def test_claude_code_lists_the_gateways_models(agents: World, folder: Path) -> None:
    agents.script(lambda turn: turn.text("Hello."))
    claude(agents, folder, MODELS["messages"], environment={"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"})
    kept = [path.read_text() for path in (folder / "home" / ".claude").rglob("*") if path.is_file()]
    assert any(all(f'"{name}"' in text for name in MODELS.values()) for text in kept), kept
    assert KEY not in agents.gateway.log.getvalue()

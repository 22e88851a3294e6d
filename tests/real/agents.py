"""Coding agents as they are, headless, with the gateway in the place of their provider, and a model that is scripted.

The model is behind whichever API a deployment speaks: a `Turn` is what it was asked, and says how to answer there.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.oddities.table import (
    chat_events,
    chat_whole,
    delta,
    messages_events,
    messages_whole,
    responses_events,
    responses_whole,
)
from tests.real.fetched import node_program
from tests.unit.dialects.openai_responses.events import call_item, called, message, text_events
from tests.upstream import Received, Script, anthropic_error, json_reply

Api = Literal["chat", "messages", "responses"]
KEY = "any-key"
_TIMEOUT = 150
_RESULTS = ('"tool_result"', '"role": "tool"', '"function_call_output"', '"custom_tool_call_output"')
_TOO_MANY = 15
"""Requests of one agent after which its model only says that it stops: no script goes on for ever."""


@dataclass(frozen=True)
class Turn:
    """One request to the model."""

    number: int
    received: Received

    @property
    def api(self) -> Api:
        path = self.received.path
        return "messages" if "/messages" in path else "responses" if "/responses" in path else "chat"

    @property
    def body(self) -> Any:
        return self.received.json()

    @property
    def conversation(self) -> str:
        """All of the conversation, as JSON."""
        return json.dumps(self.body.get("messages") or self.body["input"])

    @property
    def has_results(self) -> bool:
        """Whether a tool was used in it."""
        return any(mark in self.conversation for mark in _RESULTS)

    @property
    def tools(self) -> list[str]:
        tools = self.body.get("tools") or ()
        return [(tool.get("function") or tool).get("name") or tool["type"] for tool in tools]

    def tool(self, name: str) -> Any:
        """The tool of that name, as the model was offered it."""
        return self.body["tools"][self.tools.index(name)]

    def text(self, text: str) -> Script:
        stream = self.body.get("stream")
        match self.api:
            case "chat":
                script = chat_events(delta(content=text), delta(finish="stop"), usage=_usage(9, 4))
                return script if stream else chat_whole({"content": text})
            case "messages":
                block = {"type": "text", "text": ""}
                script = messages_events((block, [{"type": "text_delta", "text": text}]))
                return script if stream else messages_whole([{**block, "text": text}])
            case "responses":
                return responses_events(text_events(text)) if stream else responses_whole(message(text))

    def call(self, name: str, arguments: Mapping[str, Any], **item: Any) -> Script:
        """`item`: further fields of the call in the Responses API."""
        text, id = json.dumps(arguments), f"call_{self.number}"
        stream = self.body.get("stream")
        match self.api:
            case "chat":
                call = {"index": 0, "id": id, "type": "function", "function": {"name": name, "arguments": text}}
                script = chat_events(delta(tool_calls=[call]), delta(finish="tool_calls"), usage=_usage(9, 4))
                return script if stream else chat_whole({"content": None, "tool_calls": [call]}, finish="tool_calls")
            case "messages":
                block = {"type": "tool_use", "id": f"toolu_{self.number}", "name": name, "input": {}}
                script = messages_events((block, [{"type": "input_json_delta", "partial_json": text}]), stop="tool_use")
                return script if stream else messages_whole([{**block, "input": arguments}], stop="tool_use")
            case "responses":
                whole = call_item(text, name=name, call_id=id, **item)
                return (
                    responses_events(called(text, name=name, call_id=id, **item)) if stream else responses_whole(whole)
                )

    def call_custom(self, name: str, text: str, **fields: Any) -> Script:
        """A call with plain text, where the API has such calls; else one of a function with a text. `fields`: further
        ones of the call in the Responses API."""
        if self.api != "responses":
            return self.call(name, {"input": text})
        item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": name, **fields}
        position = {"output_index": 0, "item_id": "ctc_1"}
        begun = {**item, "input": "", "status": "in_progress"}
        done = {**item, "input": text, "status": "completed"}
        return responses_events(
            [
                {"type": "response.output_item.added", "output_index": 0, "item": begun},
                {"type": "response.custom_tool_call_input.delta", **position, "delta": text},
                {"type": "response.custom_tool_call_input.done", **position, "input": text},
                {"type": "response.output_item.done", "output_index": 0, "item": done},
            ]
        )

    def too_long(self) -> Script:
        """The provider's refusal of a prompt that its model has no room for, in the words of its API."""
        if self.api == "messages":
            return anthropic_error(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum")
        text = (
            "This model's maximum context length is 131072 tokens. However, your messages resulted in 250000 tokens."
            if self.api == "chat"
            else "Your input exceeds the context window of this model. Please adjust your input and try again."
        )
        error = {"message": text, "type": "invalid_request_error", "param": "input", "code": "context_length_exceeded"}
        return json_reply({"error": error}, 400)


Model = Callable[[Turn], Script]
"""What the model says to a turn."""


class World:
    """A gateway before a scripted model, and a folder in which an agent works."""

    def __init__(self, gateway: RunningGateway, provider: Provider) -> None:
        self.gateway = gateway
        self._provider = provider
        self.turns: list[Turn] = []

    def script(self, model: Model) -> None:
        """From now on the model answers like this."""
        self.turns.clear()

        def play(number: int, received: Received) -> Script:
            if "count_tokens" in received.path:
                return json_reply({"input_tokens": 100})
            turn = Turn(number, received)
            self.turns.append(turn)
            return turn.text("That is enough.") if number > _TOO_MANY else model(turn)

        self._provider.play(play)


@contextmanager
def world() -> Iterator[World]:
    with Provider() as provider:
        openai = f"api_base: '{provider.url}/v1', api_key: {KEY}"
        # Names as agents' own models have them: they take others for old ones, which are sent less.
        models = [
            f"claude-opus-4-8: {{model: anthropic/claude-opus-4-8, api_base: '{provider.url}', api_key: {KEY}}}",
            f"claude-by-chat: {{model: hosted_vllm/scripted, {openai}, use_chat_completions_api: true}}",
            f"claude-by-responses: {{model: openai/responses/scripted, {openai}}}",
        ]
        # Codex offers other tools to models whose names it knows.
        for name in ("gpt-5.5", "gpt-6.2-sol"):
            models += [
                f"{name}-by-messages: {{model: anthropic/claude-opus-4-8, api_base: '{provider.url}', api_key: {KEY}}}",
                f"{name}-by-chat: {{model: hosted_vllm/scripted, {openai}, use_chat_completions_api: true}}",
                f"{name}-by-responses: {{model: openai/responses/scripted, {openai}}}",
            ]
        with RunningGateway(configuration(models)) as gateway:
            yield World(gateway, provider)


MODELS: Mapping[Api, str] = {
    "messages": "claude-opus-4-8",
    "chat": "claude-by-chat",
    "responses": "claude-by-responses",
}
"""The world's model behind each API."""


def claude(world: World, folder: Path, model: str, *options: str, environment: Mapping[str, str] | None = None) -> Any:
    """Claude Code's account of one prompt, `hello there`, with the tools for reading and for subagents."""
    settings = {
        "ANTHROPIC_BASE_URL": world.gateway.url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_SMALL_FAST_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
        **(environment or {}),
    }
    command = [*node_program("claude"), "-p", "hello there", "--model", model, "--output-format", "json"]
    output = _run([*command, "--allowedTools", "Read,Agent", *options], folder, settings)
    assert output.startswith("{"), output
    return json.loads(output)


def codex(world: World, folder: Path, model: str, *options: str, settings: str = "") -> list[Any]:
    """Codex's events for one prompt, `hello there`; `settings` are further lines of its configuration."""
    home = _home(folder)
    (home / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "gateway"\n[model_providers.gateway]\nname = "gateway"\n'
        f'base_url = "{world.gateway.url}/v1"\nenv_key = "GATEWAY_KEY"\nwire_api = "responses"\n'
        f"request_max_retries = 0\nstream_max_retries = 0\n{settings}\n"
    )
    command = [*node_program("codex"), "exec", *options, "--skip-git-repo-check"]
    command += ["--dangerously-bypass-approvals-and-sandbox", "--json", "hello there"]
    output = _run(command, folder, {"CODEX_HOME": str(home), "GATEWAY_KEY": KEY})
    return [json.loads(line) for line in output.splitlines()]


def opencode(world: World, folder: Path, model: str, package: str) -> list[Any]:
    """opencode's events for one prompt, `hello there`. `package` is the client library with which it asks."""
    provider = {
        "npm": package,
        "name": "gateway",
        "options": {"baseURL": f"{world.gateway.url}/v1", "apiKey": KEY},
        "models": {model: {"name": model}},
    }
    settings = {"provider": {"gateway": provider}, "permission": {"*": "allow"}}
    (folder / "opencode.json").write_text(json.dumps(settings))
    command = [*node_program("opencode"), "run", "-m", f"gateway/{model}", "--format", "json", "hello there"]
    output = _run(command, folder, {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"})
    return [json.loads(line) for line in output.splitlines()]


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What it prints; what it complained of, if it prints nothing."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(_home(folder)), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )
    return (ended.stdout.strip() or ended.stderr).decode(errors="replace")


def _home(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return home


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

"""What each program has to be told, so that it asks the gateway. Pure, but for a look at settings of the programs' own.

A program is known by its file's name, or by its package's where a launcher such as `npx` or `node` starts it. None of
their files is written; what stands there and would lead past the gateway is warned of.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.run.codex import NO_KEY, CodexSettings
from app.run.upstreams import ANTHROPIC_BASE, OPENAI_BASES

_PACKAGES = {
    "@anthropic-ai/claude-code": "claude",
    "claude-code": "claude",
    "@openai/codex": "codex",
    "opencode-ai": "opencode",
    "@google/gemini-cli": "gemini",
    "gemini-cli": "gemini",
    "aider-chat": "aider",
}
"""Names of packages that are not the name of their program."""
_LAUNCHERS = frozenset(
    {"npx", "bunx", "pnpx", "npm", "pnpm", "bun", "node", "deno", "uvx", "uv", "pipx", "python", "python3", "env"}
)
_SUBCOMMANDS = frozenset({"exec", "dlx", "x", "run", "tool"})
"""Words that may stand between a launcher and what it starts."""
_AGENTS = frozenset({"claude", "codex", "opencode", "gemini", "aider"})
_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_PAST = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""Switches by which Claude Code asks a cloud in place of Anthropic's API."""


class Unsupported(Exception):
    """A program that cannot be led through the gateway."""


@dataclass(frozen=True)
class Launch:
    """How a program is started: its command, the variables that are set for it, and those that are taken away."""

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if name not in self.without} | dict(self.variables)


def agent_of(command: Sequence[str]) -> tuple[str | None, int]:
    """The known program that a command runs, and where in the command its own arguments begin."""
    if (name := _agent(command[0])) is not None:
        return name, 1
    if Path(command[0]).name.partition(".")[0] not in _LAUNCHERS:
        return None, 1
    for index, argument in enumerate(command[1:], 1):
        if argument.startswith("-") or "=" in argument or argument in _SUBCOMMANDS:
            continue
        if (name := _agent(argument)) is None:
            # What stands further behind is for the program that this one is.
            break
        after = command[index + 1 : index + 2]
        return name, index + (2 if after and _agent(after[0]) == name else 1)
    return None, 1


def _agent(argument: str) -> str | None:
    """`claude` of `claude`, `/usr/bin/claude`, `@anthropic-ai/claude-code@latest` and of a file in that package."""
    for package, agent in _PACKAGES.items():
        if argument == package or argument.startswith(f"{package}@") or f"/{package}/" in argument:
            return agent
    name = Path(argument).name.partition(".")[0].partition("@")[0]
    return name if name in _AGENTS else None


def refuse_unsupported(agent: str | None) -> None:
    """Raise Unsupported for a known program that cannot be led through the gateway."""
    if agent == "gemini":
        raise Unsupported(
            "Gemini CLI speaks Gemini's own API and no other, which the gateway does not serve: it cannot be run "
            "through it. Programs that speak the APIs of Anthropic or OpenAI can."
        )


def launch(
    command: Sequence[str],
    agent: tuple[str | None, int],
    url: str,
    environ: Mapping[str, str],
    key: str | None,
    codex: CodexSettings,
) -> Launch:
    """`url` is the gateway's address; `key` the one that the program has to present, None where its own credentials go
    on to the providers."""
    name, at = agent
    variables = {ANTHROPIC_BASE: url} | dict.fromkeys(OPENAI_BASES, f"{url}/v1")
    without: tuple[str, ...] = ()
    if key is not None:
        variables |= {"ANTHROPIC_AUTH_TOKEN": key, "OPENAI_API_KEY": key}
        without = ("ANTHROPIC_API_KEY",)
    warnings: list[str] = []
    proxies = [proxy for proxy in _PROXIES if environ.get(proxy)]
    if proxies:
        variables |= _without_proxy(environ)
        warnings.append(f"{proxies[0]} is set, and the gateway asks providers without a proxy")
    match name:
        case "claude":
            warnings += _claude_warnings(environ)
        case "codex":
            variables[NO_KEY] = "none"
            command = (*command[:at], *codex.overrides(f"{url}/v1", key is not None), *command[at:])
        case "opencode":
            variables |= _opencode(environ, url, key)
        case "aider":
            variables["ANTHROPIC_API_BASE"] = url
    return Launch(tuple(command), variables, without, tuple(warnings))


def _without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """The gateway is on this machine, and no proxy leads to it."""
    before = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    value = ",".join(filter(None, [before, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": value, "no_proxy": value}


def _claude_warnings(environ: Mapping[str, str]) -> list[str]:
    home = Path(environ.get("CLAUDE_CONFIG_DIR") or Path(environ.get("HOME", "")) / ".claude")
    files = (home / "settings.json", Path(".claude/settings.json"), Path(".claude/settings.local.json"))
    found = []
    for file in files:
        there = _read(file).get("env")
        named = [name for name in (ANTHROPIC_BASE, *_PAST) if isinstance(there, dict) and there.get(name)]
        found += [f"{file} sets {name}: Claude Code obeys it, and goes past the gateway" for name in named]
    switched = [name for name in _PAST if environ.get(name) not in (None, "", "0", "false")]
    return found + [f"{name} is set: Claude Code asks that cloud, and goes past the gateway" for name in switched]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _opencode(environ: Mapping[str, str], url: str, key: str | None) -> dict[str, str]:
    """Settings of opencode's that count before those of its files, with what stands in the variable already."""
    try:
        settings = json.loads(environ.get("OPENCODE_CONFIG_CONTENT") or "{}")
    except ValueError:
        settings = {}
    options = {"baseURL": f"{url}/v1", **({"apiKey": key} if key is not None else {})}
    providers = settings.setdefault("provider", {})
    for provider in ("anthropic", "openai"):
        providers.setdefault(provider, {}).setdefault("options", {}).update(options)
    return {"OPENCODE_CONFIG_CONTENT": json.dumps(settings)}

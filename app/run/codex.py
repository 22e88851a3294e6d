"""Codex takes its provider from settings alone, and lets its command line overrule them: what there is to overrule."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHATGPT = "https://chatgpt.com/backend-api/codex"
"""Where Codex asks when it is logged in with a ChatGPT account."""
_LOCAL = {"ollama": "http://localhost:11434/v1", "lmstudio": "http://localhost:1234/v1"}
_NAME = "flowspan"
NO_KEY = "FLOWSPAN_RUN_NO_KEY"
"""A variable with a credential for a server that wants none."""


@dataclass(frozen=True)
class CodexSettings:
    """`provider` is the one that its file chooses and defines, with the fields `fields`."""

    provider: str | None = None
    fields: Mapping[str, Any] | None = None
    login: str | None = None
    """`chatgpt`, `key` (one that Codex keeps itself), or None: the key is in the environment."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "CodexSettings":
        """As they stand in `$CODEX_HOME`. A file that cannot be read is Codex's own matter."""
        home = Path(environ.get("CODEX_HOME") or Path(environ.get("HOME", "")) / ".codex")
        try:
            settings = tomllib.loads((home / "config.toml").read_text("utf-8"))
        except (OSError, ValueError):
            settings = {}
        try:
            login = json.loads((home / "auth.json").read_text("utf-8"))
        except (OSError, ValueError):
            login = {}
        provider = settings.get("model_provider")
        defined = settings.get("model_providers")
        fields = defined.get(provider) if isinstance(defined, dict) else None
        if fields is None and provider in _LOCAL:
            return cls(None, {"base_url": _LOCAL[provider]}, None)
        return cls(provider, fields, _login(login)) if isinstance(fields, dict) else cls(login=_login(login))

    @property
    def base_url(self) -> str | None:
        """Where Codex would ask without a gateway; None for OpenAI's own address."""
        if self.fields is not None:
            return self.fields.get("base_url")
        return _CHATGPT if self.login == "chatgpt" else None

    @property
    def needs_no_key(self) -> bool:
        """Whether its server is asked without a credential."""
        named = ("env_key", "experimental_bearer_token", "http_headers", "env_http_headers", "auth")
        return self.fields is not None and not any(self.fields.get(one) for one in (*named, "requires_openai_auth"))

    def overrides(self, url: str, has_key: bool) -> list[str]:
        """Options of its command line. `has_key`: the gateway's key is in OPENAI_API_KEY."""
        name = self.provider or _NAME
        values: dict[str, Any] = {"base_url": url}
        if self.provider is None:
            values |= {"name": _NAME, "wire_api": "responses"}
        if self.needs_no_key and not has_key:
            values["env_key"] = NO_KEY
        elif has_key or (self.provider is None and self.login is None):
            values["env_key"] = "OPENAI_API_KEY"
        elif self.provider is None:
            values["requires_openai_auth"] = True
        settings = {"model_provider": name, **{f"model_providers.{name}.{key}": one for key, one in values.items()}}
        # JSON's texts and truths are TOML's, too.
        return [part for key, one in settings.items() for part in ("-c", f"{key}={json.dumps(one)}")]


def _login(found: Any) -> str | None:
    if not isinstance(found, dict):
        return None
    if found.get("tokens") and found.get("auth_mode") != "apikey":
        return "chatgpt"
    return "key" if found.get("OPENAI_API_KEY") else None

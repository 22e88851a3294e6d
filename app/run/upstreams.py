"""The configuration for a program that has credentials of its own: each model goes to the provider whose API it is
asked by, and the program's credential goes with it."""

import json
from collections.abc import Mapping, Sequence

from app.configuration import Configuration, parse
from app.configuration.api_keys import KEY_VARIABLE
from telemetry.environment import EnvironmentRefused, read_environment

ANTHROPIC_BASE = "ANTHROPIC_BASE_URL"
OPENAI_BASES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_NEVER = 1_000_000
"""Failures, for a breaker that does not open: the program should see each of its provider's errors."""


def configuration(
    environ: Mapping[str, str], policies: Sequence[str] = (), openai_base: str | None = None
) -> Configuration:
    """An address that the environment names in place of a provider's own is kept as the upstream; `openai_base` is the
    one that the program's own settings name. Raises ConfigurationRefused."""
    bases = {
        "anthropic": environ.get(ANTHROPIC_BASE),
        "openai": openai_base or next(filter(None, map(environ.get, OPENAI_BASES)), None),
    }
    document = {
        "model_list": [_entry(provider, base) for provider, base in bases.items()],
        # The program tries again by itself, and should see what it would see without a gateway.
        "litellm_settings": {"num_retries": 0},
        "gateway": {
            "policies": [{"use": policy} for policy in policies],
            "breakers": {"upstream": {"threshold": _NEVER, "min_requests": _NEVER}},
        },
    }
    # A key in the environment is for another gateway.
    others = {name: value for name, value in environ.items() if name not in (KEY_VARIABLE, f"{KEY_VARIABLE}_FILE")}
    return parse(json.dumps(document), "the configuration of this run", others)


def why_not_exported(environ: Mapping[str, str]) -> str | None:
    """Why the gateway exports none of its telemetry in a run, where the OTEL_* variables, which are meant for the
    program as well, ask for what it cannot do or must not do; None where it does as they say."""
    try:
        environment = read_environment(environ)
    except EnvironmentRefused as refused:
        return f"{refused.problems[0]}: the gateway exports nothing in this run"
    signals = (environment.traces, environment.metrics, environment.logs)
    if any(signal is not None and signal.console for signal in signals):
        return "the program's output is its own: the gateway exports nothing to stdout, and nothing elsewhere"
    return None


def _entry(provider: str, base: str | None) -> dict[str, object]:
    params = {"model": f"{provider}/*", **({"api_base": base} if base else {})}
    return {"model_name": "*", "litellm_params": params, "credentials": "client"}

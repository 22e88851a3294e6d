"""A first configuration, made of the keys that are found in the environment: their names go into it, never a value."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from app.configuration.api_keys import KEY_VARIABLE
from app.configuration.litellm_providers import names_of
from app.providers import DIRECT, PROVIDERS

_BY_LITELLM = {"gemini": "GEMINI_API_KEY", "cohere": "COHERE_API_KEY"}
"""Variables of providers that are asked through LiteLLM, which reads them itself."""
_EXAMPLE = re.compile(
    r"(?:[a-z]+-?)?[a-z]*-?\d+(?:[.-]\d{1,2})?(?:-[a-z]+)?|deepseek-[a-z]+|[a-z]+-[a-z]+-\d(?:[.-]\d{1,2})?"
)
"""Names of the form `gpt-5.2`, `claude-opus-5` and `gemini-3-flash`: no snapshots, nothing for one purpose alone."""
_NOT_AN_EXAMPLE = re.compile(
    r"embed|audio|realtime|tts|image|search|guard|code|cyber|research|lyria|labs|beta|exp|omni"
)
_EXAMPLES = 3

_HEAD = """\
# A configuration of Flowspan, written by `flowspan init`. The format is LiteLLM's, with a section `gateway`.
#
#   flowspan check {file}     what it sets up, or what is wrong with it
#   flowspan doctor {file}    whether the providers can be reached
#   flowspan serve {file}     serve it: http://127.0.0.1:8080
"""
_KEYS = """
# Without a key, whoever can log in to this machine can use the models, and nobody else can. For a key, set it in the
# environment of `flowspan serve`; clients send it as their API key. It takes 16 characters or more:
#   export {variable}=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
"""
_GATEWAY = """
gateway:
  # What was asked and answered, to be looked at in the console: http://127.0.0.1:4001. It is kept in memory alone;
  # sqlite:///flowspan.db keeps it in a file, off keeps nothing.
  recorder: memory
  # Policies look at each request and answer. This one takes out keys, e-mail addresses and the like:
  # policies: [redact]
"""
_FALLBACKS = """
# A model of the second provider can answer where the first one fails:
# router_settings:
#   fallbacks: [{{"{first}": ["{second}"]}}]
"""
_SIMULATED = """
model_list:
  # No key of a provider is set in this environment, so these models are simulated: they need no key and no network.
  - model_name: lorem             # answers with a text
    litellm_params: {model: simulated/lorem}
  - model_name: echo              # answers with the question
    litellm_params: {model: simulated/echo}
  # With a key of Anthropic's in ANTHROPIC_API_KEY, all of its models by their names:
  # - model_name: anthropic/*
  #   litellm_params: {model: anthropic/*, api_key: os.environ/ANTHROPIC_API_KEY}
"""


@dataclass(frozen=True)
class FoundKey:
    """A provider's prefix, and the variable in which a key of it was found."""

    prefix: str
    variable: str


def keys_in(environ: Mapping[str, str]) -> list[FoundKey]:
    """The providers whose keys are there, each in its variable or in the file that `NAME_FILE` names."""
    rows = [
        (row.prefix, row.key_variable)
        for row in PROVIDERS.values()
        if row.backend in DIRECT and row.base_url and row.key_variable
    ]
    return [
        FoundKey(prefix, variable)
        for prefix, variable in (*rows, *_BY_LITELLM.items())
        if environ.get(variable) or environ.get(f"{variable}_FILE")
    ]


def first_file(file: str, found: list[FoundKey]) -> str:
    """The text of a configuration with an entry for each key that was found; of simulated models where none was."""
    parts = [_HEAD.format(file=file), "\nmodel_list:\n" if found else _SIMULATED]
    parts += [_entry(key) for key in found]
    examples = [f"{key.prefix}/{names[0]}" for key in found if (names := _examples(key.prefix))]
    if len(examples) > 1:
        parts.append(_FALLBACKS.format(first=f"{found[0].prefix}/*", second=examples[1]))
    return "".join([*parts, _KEYS.format(variable=KEY_VARIABLE), _GATEWAY])


def _entry(key: FoundKey) -> str:
    names = _examples(key.prefix)
    known = f", such as {', '.join(names)}" if names else ""
    return (
        f"  # All models of {key.prefix} by their names{known}.\n"
        f'  - model_name: "{key.prefix}/*"\n'
        f'    litellm_params: {{model: "{key.prefix}/*", api_key: os.environ/{key.variable}}}\n'
    )


def _examples(prefix: str) -> list[str]:
    """Names of a few models that the provider has, the newest first as far as the table has them in order."""
    return list(dict.fromkeys(_plain(reversed(names_of(prefix)))))[:_EXAMPLES]


def _plain(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if _EXAMPLE.fullmatch(name) and not _NOT_AN_EXAMPLE.search(name))

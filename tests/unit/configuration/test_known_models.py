"""The models behind wildcards that a list of models can show."""

import pytest

from tests.unit.configuration.reading import read


def behind(*entries: str, rest: str = "") -> tuple[str, ...]:
    lines = "\n".join(
        f"- {{model_name: {name}, litellm_params: {{{params}, api_key: k}}}}" for name, params in _pairs(entries)
    )
    return read(f"model_list:\n{lines}\n{rest}").settings.router.behind_wildcards


def _pairs(entries: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, params) for name, _, params in (entry.partition(": ") for entry in entries)]


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("'anthropic/*': model: 'anthropic/*'", "anthropic/claude-sonnet-4-5"),
        ("'claude-*': model: 'anthropic/claude-*'", "claude-sonnet-4-5"),
        ("'claude-*': model: 'claude-*'", "claude-sonnet-4-5"),
        ("'*': model: 'anthropic/*'", "claude-sonnet-4-5"),
        ("'my-*': model: 'anthropic/claude-*'", "my-sonnet-4-5"),
        ("'openai/*': model: 'openai/*', api_base: 'https://api.openai.com/v1'", "openai/gpt-4o"),
        ("'groq/*': model: 'groq/*'", "groq/openai/gpt-oss-120b"),
    ],
)
def test_models_of_a_provider_are_known(entry: str, name: str) -> None:
    assert name in behind(entry)


@pytest.mark.parametrize(
    "entry",
    [
        "'openai/*': model: 'openai/*', api_base: 'http://vllm.test/v1'",
        "'azure/*': model: 'azure/*', api_base: 'https://a.openai.azure.com'",
        "'x/*': model: 'anthropic/claude-sonnet-4-5'",
        "'x/*/*': model: 'anthropic/*'",
        "claude: model: 'anthropic/claude-sonnet-4-5'",
    ],
)
def test_what_a_server_of_ones_own_has_is_not(entry: str) -> None:
    assert behind(entry) == ()


def test_each_is_listed_once_and_leads_to_a_model() -> None:
    entries = ("'claude-*': model: 'anthropic/claude-*'", "'*': model: 'anthropic/*'")
    named = "claude-sonnet-4-5: model: 'anthropic/claude-sonnet-4-5'"
    aliases = "router_settings: {model_group_alias: {claude-haiku-4-5: claude-sonnet-4-5}}\n"
    found = behind(*entries, named, rest=aliases)
    assert len(found) == len(set(found)) > 5
    assert not {"claude-sonnet-4-5", "claude-haiku-4-5"} & set(found)
    assert not [name for name in found if name.startswith("ft:")]

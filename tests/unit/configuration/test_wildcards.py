"""Wildcards and aliases: what a file may say of them."""

import pytest

from app.settings import Alias
from tests.unit.configuration.reading import MODEL, problems, read, warnings

ANTHROPIC = "{model_name: anthropic/*, litellm_params: {model: anthropic/*, api_key: k}}"


def test_wildcards_are_taken() -> None:
    text = f"model_list: [{ANTHROPIC}, {{model_name: 'claude-*', litellm_params: {{model: 'claude-*', api_key: k}}}}]\n"
    found = read(text)
    assert [(one.model_name, one.model, one.backend) for one in found.settings.deployments] == [
        ("anthropic/*", "anthropic/*", "anthropic"),
        ("claude-*", "claude-*", "anthropic"),
    ]
    assert not found.warnings


def test_everything_is_each_provider_with_a_key() -> None:
    entry = "{model_name: '*', litellm_params: {model: '*', temperature: 0.5}}"
    text = f"model_list: [{entry}, {ANTHROPIC}]\n"
    settings = read(text, GROQ_API_KEY="g", ANTHROPIC_API_KEY="a", OPENAI_API_KEY="o").settings
    assert {(one.model_name, one.model, one.params["api_key"]) for one in settings.deployments} == {
        ("openai/*", "openai/*", "o"),
        ("groq/*", "groq/*", "g"),
        ("anthropic/*", "anthropic/*", "k"),
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{model_name: '*', litellm_params: {model: '*'}}", "every provider whose key is in the environment"),
        ("{model_name: '*', litellm_params: {model: '*', api_key: k}}", "names no provider"),
        ("{model_name: 'x*', litellm_params: {model: '*'}}", "names no provider"),
        ("{model_name: x, litellm_params: {model: 'openai/*', api_key: k}}", "more wildcards than model_name"),
        ("{model_name: 'x*', litellm_params: {model: 'openai/*-*', api_key: k}}", "more wildcards than model_name"),
    ],
)
def test_a_wildcard_that_stands_for_nothing_is_refused(entry: str, message: str) -> None:
    assert message in problems(f"model_list:\n- {entry}\n")[0]


def test_a_wildcard_for_one_model_is_pointed_out() -> None:
    text = "model_list: [{model_name: 'x*', litellm_params: {model: openai/gpt-5, api_key: k}}]\n"
    assert "every model that it stands for is openai/gpt-5" in warnings(text)[0]


def test_aliases_are_read_in_both_forms() -> None:
    aliases = "{fast: m, quiet: {model: m, hidden: true}, best: anthropic/claude-x}"
    text = f"model_list: [{{model_name: m, litellm_params: {{model: simulated/echo}}}}, {ANTHROPIC}]\n"
    settings = read(f"{text}router_settings: {{model_group_alias: {aliases}}}\n").settings
    assert settings.router.aliases == {
        "fast": Alias("m"),
        "quiet": Alias("m", hidden=True),
        "best": Alias("anthropic/claude-x"),
    }


@pytest.mark.parametrize(
    ("alias", "message"),
    [
        ("{fast: n}", "no model n in model_list"),
        ("{fast: {model: m, hiden: true}}", "hiden"),
        ("{'fast*': m}", "an alias has no wildcard"),
        ("{fast: {hidden: true}}", "model"),
    ],
)
def test_an_alias_that_leads_nowhere_is_refused(alias: str, message: str) -> None:
    (found,) = problems(f"{MODEL}router_settings: {{model_group_alias: {alias}}}\n")
    assert message in found


def test_an_alias_that_hides_an_entry_is_pointed_out() -> None:
    text = f"{MODEL}- {{model_name: n, litellm_params: {{model: simulated/echo}}}}\n"
    text = text.replace("[{", "\n- {").replace("]\n", "\n", 1)
    assert "nobody gets to" in warnings(f"{text}router_settings: {{model_group_alias: {{n: m}}}}\n")[0]


def test_fallbacks_know_wildcards_and_aliases() -> None:
    router = "router_settings: {model_group_alias: {fast: m}, fallbacks: [{%s: [%s]}]}\n"
    text = f"model_list: [{{model_name: m, litellm_params: {{model: simulated/echo}}}}, {ANTHROPIC}]\n"
    for name, other in (("fast", "anthropic/claude-x"), ("anthropic/claude-x", "m"), ("anthropic/*", "fast")):
        assert read(text + router % (name, other)).settings.router.fallbacks == {name: (other,)}
    assert "no model anthropic/* in model_list" in problems(text + router % ("m", "anthropic/*"))[0]

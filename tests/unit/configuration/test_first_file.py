import re

import pytest

from app.configuration import parse
from app.configuration.first_file import first_file, keys_in
from app.configuration.litellm_providers import names_of

SECRET = "sk-canary-0123456789abcdef"


@pytest.mark.parametrize(
    ("variables", "models"),
    [
        ([], ["lorem", "echo"]),
        (["ANTHROPIC_API_KEY"], ["anthropic/*"]),
        (["GEMINI_API_KEY", "OPENAI_API_KEY", "XAI_API_KEY"], ["openai/*", "xai/*", "gemini/*"]),
    ],
)
def test_the_file_has_what_there_are_keys_for_is_good_and_holds_no_key(variables: list[str], models: list[str]) -> None:
    environ = dict.fromkeys(variables, SECRET)
    text = first_file("flowspan.yaml", keys_in(environ))
    configuration = parse(text, environ=environ)
    assert [one.model_name for one in configuration.settings.deployments] == models
    assert configuration.warnings == ()
    assert configuration.settings.recorder.store == "memory"
    assert SECRET not in text


def test_what_stands_in_it_as_a_comment_is_good_when_it_is_no_comment_any_more() -> None:
    environ = {"ANTHROPIC_API_KEY": SECRET, "OPENAI_API_KEY": SECRET}
    text = first_file("flowspan.yaml", keys_in(environ))
    text = re.sub(r"^# (router_settings:|  fallbacks:)", r"\1", text, flags=re.MULTILINE)
    settings = parse(text.replace("# policies:", "policies:"), environ=environ).settings
    assert list(settings.router.fallbacks) == ["openai/*"]
    assert [policy.use for policy in settings.policies] == ["redact"]


def test_the_models_that_it_names_exist() -> None:
    text = first_file("f", keys_in({"ANTHROPIC_API_KEY": SECRET}))
    named = re.findall(r"claude-[a-z0-9-]+", text)
    assert len(named) >= 3
    assert set(named) <= set(names_of("anthropic"))


def test_a_key_in_a_file_is_found_by_the_variable_that_names_it() -> None:
    assert [key.prefix for key in keys_in({"GROQ_API_KEY_FILE": "groq.txt", "OPENAI_API_KEY": ""})] == ["groq"]

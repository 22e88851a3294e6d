"""`credentials: client`: where it may stand, and beside what it may not."""

import pytest

from tests.unit.configuration.reading import only_deployment, problems

ENTRY = "{model_name: m, litellm_params: {model: anthropic/claude-x%s}%s}"


@pytest.mark.parametrize("entry", [ENTRY % ("", ", credentials: client"), ENTRY % (", credentials: client", "")])
def test_an_entry_hands_the_callers_credential_on(entry: str) -> None:
    deployment = only_deployment(entry, ANTHROPIC_API_KEY="sk-of-the-gateway")
    assert deployment.credentials == "client"
    assert deployment.params == {}


def test_by_default_it_does_not() -> None:
    deployment = only_deployment(ENTRY % ("", ""), ANTHROPIC_API_KEY="sk-of-the-gateway")
    assert (deployment.credentials, deployment.params) == ("gateway", {"api_key": "sk-of-the-gateway"})


@pytest.mark.parametrize(
    ("model", "params", "beside", "message"),
    [
        ("anthropic/x", "", "credentials: caller", "expected client, or gateway"),
        ("anthropic/x", "api_key: k", "credentials: client", "api_key is set as well"),
        ("anthropic/x", "extra_headers: {X-Api-Key: k}", "credentials: client", "x-api-key is set as well"),
        ("anthropic/x", "api_base: 'http://a:b@h'", "credentials: client", "user and password"),
        ("openai/x", "organization: o", "credentials: client", "organization is set as well"),
        ("bedrock/x", "", "credentials: client", "asked directly"),
        ("anthropic/x", "", "backend: litellm, credentials: client", "asked directly"),
        ("simulated/echo", "", "credentials: client", "asked directly"),
        ("azure/x", "api_base: 'http://h'", "credentials: client", "not supported for azure"),
    ],
)
def test_what_cannot_hold_is_refused(model: str, params: str, beside: str, message: str) -> None:
    entry = f"{{model_name: m, litellm_params: {{model: {model}{', ' if params else ''}{params}}}, {beside}}}"
    assert message in " ".join(problems(f"model_list:\n- {entry}\n"))


def test_a_credential_is_for_one_provider() -> None:
    one, other = "openai/x, credentials: client", "groq/x, credentials: client"
    entries = "\n".join(f"- {{model_name: m, litellm_params: {{model: {model}}}}}" for model in (one, other))
    assert "of several providers or addresses" in problems(f"model_list:\n{entries}\n")[0]


def test_nobody_else_gets_to_a_gateway_that_hands_credentials_on() -> None:
    text = f"model_list:\n- {ENTRY % ('', ', credentials: client')}\ngateway: {{server: {{host: 0.0.0.0}}}}\n"
    assert "no key is set" in problems(text)[0]

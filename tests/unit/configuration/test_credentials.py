"""Keys under a name, and the deployments that use them."""

from app.settings import Settings
from tests.unit.configuration.reading import SECRET, problems, read

LIST = """\
credential_list:
- credential_name: mine
  credential_values: {api_key: os.environ/KEY, api_base: http://a.test/v1}
  credential_info: {custom_llm_provider: openai}
"""
MODELS = "model_list: [{{model_name: m, litellm_params: {{model: openai/x, litellm_credential_name: {0}}}}}]\n"


def settings_of(text: str) -> Settings:
    return read(text, KEY=SECRET).settings


def test_a_credential_gives_what_the_deployment_does_not_say_itself() -> None:
    (deployment,) = settings_of(LIST + MODELS.format("mine, api_base: http://b.test/v1, temperature: 1")).deployments
    assert deployment.params == {"api_key": SECRET, "api_base": "http://b.test/v1", "temperature": 1}
    assert deployment.backend == "openai"


def test_a_credential_that_does_not_exist_is_refused() -> None:
    at = "model_list[0].litellm_params.litellm_credential_name"
    assert problems(LIST + MODELS.format("mien"), KEY=SECRET) == [
        f"f.yaml:5: {at}: credential_list has no credential of this name; did you mean mine?"
    ]
    assert problems(MODELS.format("mine")) == [f"f.yaml:1: {at}: credential_list has no credential of this name"]


def test_a_credential_that_nobody_uses_needs_no_variable() -> None:
    assert read(LIST + MODELS.format("null, api_key: k")).settings.deployments[0].params == {"api_key": "k"}


def test_a_missing_variable_is_a_problem_of_the_credential() -> None:
    (problem,) = problems(LIST + MODELS.format("mine"))
    assert problem == (
        "f.yaml:3: credential_list[0].credential_values.api_key: the environment variable KEY is not set"
    )


def test_faults_of_the_list_are_named() -> None:
    text = """\
credential_list:
- {credential_name: a, credential_values: {}}
- {credential_name: a, credential_values: {}}
- {credential_values: {}}
- {credential_name: b}
- 5
""" + MODELS.format("null, api_key: k")
    assert problems(text) == [
        "f.yaml:3: credential_list[1].credential_name: another credential has this name",
        "f.yaml:4: credential_list[2].credential_name: missing, or not text",
        "f.yaml:5: credential_list[3].credential_values: missing, or not a mapping",
        "f.yaml:6: credential_list[4]: expected a mapping with credential_name and credential_values",
    ]

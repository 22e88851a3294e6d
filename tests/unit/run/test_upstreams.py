import pytest

from app.configuration import ConfigurationRefused
from app.run.upstreams import configuration, why_not_exported


def bases(environ: dict[str, str], openai_base: str | None = None) -> list[object]:
    settings = configuration(environ, (), openai_base).settings
    assert {one.model_name for one in settings.deployments} == {"*"}
    assert {one.credentials for one in settings.deployments} == {"client"}
    return [one.params.get("api_base") for one in settings.deployments]


def test_an_address_in_the_environment_is_kept_as_the_upstream() -> None:
    assert bases({}) == [None, None]
    assert bases({"ANTHROPIC_BASE_URL": "http://a", "OPENAI_API_BASE": "http://o/v1"}) == ["http://a", "http://o/v1"]
    assert bases({"OPENAI_BASE_URL": "http://o/v1"}, "http://of-its-file/v1") == [None, "http://of-its-file/v1"]


def test_a_key_for_another_gateway_is_none_for_this_one() -> None:
    assert configuration({"FLOWSPAN_KEY": "0123456789abcdef"}).settings.keys == ()


def test_policies_are_those_that_are_asked_for() -> None:
    assert [one.use for one in configuration({}, ("redact",)).settings.policies] == ["redact"]


def test_an_address_that_is_none_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        configuration({"ANTHROPIC_BASE_URL": "ftp://a"})
    assert "is not an http(s) address" in str(refused.value.problems[0])


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, None),
        ({"OTEL_METRICS_EXPORTER": "console"}, "the program's output is its own"),
        ({"OTEL_CONFIG_FILE": "x"}, "the gateway exports nothing in this run"),
    ],
)
def test_what_the_programs_telemetry_wants_and_the_gateway_cannot_is_left_to_the_program(
    variables: dict[str, str], reason: str | None
) -> None:
    found = why_not_exported(variables)
    assert (found is None) if reason is None else (reason in str(found))

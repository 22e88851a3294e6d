"""How many attempts a deployment may have, by whichever name a file has for it."""

import pytest

from app.configuration.deployment_limits import DeploymentLimits
from tests.unit.configuration.reading import problems, read

_ENTRY = "model_list: [{{model_name: m{entry}, litellm_params: {{model: simulated/echo{params}}}{info}}}]\n"


def _text(entry: str = "", params: str = "", info: str = "") -> str:
    return _ENTRY.format(entry=entry, params=params, info=info and f", model_info: {{{info}}}")


def _limits(text: str) -> DeploymentLimits:
    (one,) = read(text).settings.deployments
    return DeploymentLimits(one.max_parallel, one.requests_per_minute, one.tokens_per_minute)


@pytest.mark.parametrize(
    ("entry", "params", "info", "limits"),
    [
        ("", "", "", DeploymentLimits()),
        (", max_parallel: 4, requests_per_minute: 5, tokens_per_minute: 6", "", "", DeploymentLimits(4, 5, 6)),
        ("", ", max_parallel_requests: 4, rpm: 5, tpm: 6", "", DeploymentLimits(4, 5, 6)),
        (", rpm: 5, tpm: 6", "", "", DeploymentLimits(None, 5, 6)),
        ("", "", "rpm: 5, tpm: '6'", DeploymentLimits(None, 5, 6)),
        (", requests_per_minute: 1, rpm: 2", ", rpm: 3", "rpm: 4", DeploymentLimits(None, 1)),
        (", rpm: 2", ", rpm: 3", "rpm: 4", DeploymentLimits(None, 2)),
        ("", ", rpm: 3", "rpm: 4", DeploymentLimits(None, 3)),
    ],
)
def test_a_limit_is_read_by_each_of_its_names(entry: str, params: str, info: str, limits: DeploymentLimits) -> None:
    assert _limits(_text(entry, params, info)) == limits


def test_a_limit_is_no_parameter_of_the_provider() -> None:
    (one,) = read(_text(params=", max_parallel_requests: 4, rpm: 5, tpm: 6")).settings.deployments
    assert one.params == {}


def test_a_limit_that_is_no_number_is_refused_with_its_place() -> None:
    assert problems(_text(params=", rpm: many")) == [
        "f.yaml:1: model_list[0].litellm_params.rpm: expected a whole number, not text"
    ]
    (problem,) = problems(_text(entry=", max_parallel: 0"))
    assert problem.startswith("f.yaml:1: model_list[0].max_parallel: ")


def test_litellms_default_holds_where_no_limit_is_set() -> None:
    default = "router_settings: {default_max_parallel_requests: 7}\n"
    assert _limits(_text() + default) == DeploymentLimits(7)
    assert _limits(_text(entry=", rpm: 5") + default) == DeploymentLimits(None, 5)

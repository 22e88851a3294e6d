"""How the router chooses and waits: the gateway's own words, and LiteLLM's."""

import pytest

from tests.unit.configuration.reading import MODEL, problems, read, warnings


@pytest.mark.parametrize(
    ("litellm", "gateway", "strategy"),
    [
        ("simple-shuffle", "", "weighted"),
        ("least-busy", "", "least_busy"),
        ("latency-based-routing", "", "fastest_first_token"),
        ("cost-based-routing", "", "cheapest"),
        ("cost-based-routing", "least_busy", "least_busy"),
        ("lar1", "cheapest", "cheapest"),
    ],
)
def test_a_strategy_is_the_gateways_own_or_the_counterpart_of_litellms(
    litellm: str, gateway: str, strategy: str
) -> None:
    section = f"gateway: {{router: {{strategy: {gateway}}}}}\n" if gateway else ""
    text = f"{MODEL}router_settings: {{routing_strategy: {litellm}}}\n{section}"
    assert read(text).settings.router.strategy == strategy
    assert warnings(text) == []


@pytest.mark.parametrize(
    ("entry", "params", "router", "seconds"),
    [
        ("", "", "", None),
        ("first_token_timeout: 1500ms, ", "", "", 1.5),
        ("", ", stream_timeout: 7", "", 7),
        ("first_token_timeout: 3, ", ", stream_timeout: 7", "stream_timeout: 9", 3),
        ("", "", "stream_timeout: 9", 9),
    ],
)
def test_the_wait_for_a_first_token_is_the_entrys_own_or_litellms(
    entry: str, params: str, router: str, seconds: float | None
) -> None:
    text = f"model_list: [{{model_name: m, {entry}litellm_params: {{model: simulated/echo{params}}}}}]\n"
    found = read(f"{text}router_settings: {{{router}}}\n").settings.deployments[0]
    assert found.first_token_timeout == seconds
    assert "stream_timeout" not in found.params
    assert warnings(text) == []


@pytest.mark.parametrize("value", ["0", "-1", "soon"])
def test_a_wait_for_a_first_token_that_is_none_is_refused(value: str) -> None:
    entry = f"model_name: m\n    first_token_timeout: {value}\n    litellm_params: {{model: simulated/echo}}"
    [problem] = problems(f"model_list:\n  - {entry}\n")
    assert problem.startswith("f.yaml:3: model_list[0].first_token_timeout: ")

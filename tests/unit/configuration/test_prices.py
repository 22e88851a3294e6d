"""Where the price of an entry's model is from."""

from app.prices import cost_of, listed_cost
from tests.unit.configuration.reading import only_deployment, problems, read, warnings

LISTED = "{model_name: m, litellm_params: {model: openai/gpt-4o, api_key: k}}"
AZURE = "model_name: m, litellm_params: {model: azure/ours, api_base: 'https://a.test', api_key: k}"


def test_an_entry_without_prices_has_the_list_price() -> None:
    deployment = only_deployment(LISTED)
    assert deployment.cost_source == "catalogue"
    assert deployment.cost == listed_cost("openai/gpt-4o", {})
    assert deployment.cost is not None


def test_the_catalogue_can_be_done_without() -> None:
    settings = read(f"model_list: [{LISTED}]\ngateway: {{prices: configured}}").settings
    assert [(one.cost, one.cost_source) for one in settings.deployments] == [(None, "none")]
    [wrong] = problems(f"model_list: [{LISTED}]\ngateway: {{prices: free}}")
    assert wrong.startswith("f.yaml:2: gateway.prices: ")


def test_prices_of_an_entry_take_the_place_of_all_listed_ones() -> None:
    long = "input_cost_per_token_above_200k_tokens"
    deployment = only_deployment(
        f"{{model_name: m, litellm_params: {{model: openai/gpt-4o, api_key: k, {long}: 3}},"
        " model_info: {input_cost_per_token: 1, output_cost_per_token: 2, output_cost_per_token_flex: 0.5}}"
    )
    prices = {"input_cost_per_token": 1, "output_cost_per_token": 2, "output_cost_per_token_flex": 0.5, long: 3}
    assert deployment.cost_source == "configuration"
    assert deployment.cost == cost_of(prices)
    assert deployment.params == {"api_key": "k"}


def test_a_price_that_changes_nothing_is_pointed_out() -> None:
    entry = "{model_name: m, litellm_params: {model: simulated/echo, cache_read_input_token_cost: 1}}"
    assert warnings(f"model_list:\n- {entry}\ngateway: {{keys: [sk-0123456789abcdef]}}") == [
        "f.yaml:2: model_list[0].litellm_params.cache_read_input_token_cost: "
        "changes nothing without input_cost_per_token or output_cost_per_token"
    ]


def test_a_wildcard_prices_each_model_as_it_is_asked_for() -> None:
    deployment = only_deployment("{model_name: 'x/*', litellm_params: {model: 'openai/*', api_key: k}}")
    assert (deployment.cost, deployment.cost_source) == (None, "catalogue")


def test_the_model_behind_a_name_of_ones_own_is_named_by_the_entry() -> None:
    assert only_deployment(f"{{{AZURE}}}").cost is None
    named = only_deployment(f"{{{AZURE}, model_info: {{base_model: azure/gpt-4o}}}}")
    assert named.cost == listed_cost("azure/gpt-4o", {})
    assert problems(f"model_list: [{{{AZURE}, model_info: {{base_model: 5}}}}]") == [
        "f.yaml:1: model_list[0].model_info.base_model: expected the name of a model"
    ]

"""What the model of an entry of `model_list` costs: by the entry's own prices, else by the catalogue's."""

from collections.abc import Mapping
from typing import Any

from app.configuration.problems import Report
from app.conversion import Path, convert_value
from app.prices import Cost, cost_of, is_price, listed_cost
from app.settings import CostSource, PriceSource

_BASE_MODEL = "base_model"


def price_of(
    model: str,
    params: Mapping[str, Any],
    info: Mapping[str, Any],
    path: Path,
    report: Report,
    source: PriceSource,
) -> tuple[Cost | None, CostSource]:
    """The price of an entry's model, and where that is from. `params` are its `litellm_params`, `info` its
    `model_info`, of which the parameters win. The catalogue may have none: for a model that nobody lists, or for a
    wildcard, each of whose models is priced as it is asked for."""
    blocks = {"model_info": info, "litellm_params": params}
    prices = {key: (name, value) for name, block in blocks.items() for key, value in _prices(block).items()}
    numbers = {key: _number(value, (*path, name, key), report) for key, (name, value) in prices.items()}
    if (cost := cost_of(numbers)) is not None:
        return cost, "configuration"
    for key, (name, _) in prices.items():
        message = "changes nothing without input_cost_per_token or output_cost_per_token"
        report.warning((*path, name, key), message)
    if source == "configured":
        return None, "none"
    return listed_cost(model, params, _base_model(blocks, path, report)), "catalogue"


def _prices(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if is_price(key) and value is not None}


def _number(value: Any, path: Path, report: Report) -> float | None:
    number, faults = convert_value(float, value, path)
    report.faults(faults)
    if faults:
        return None
    if not 0 <= number < float("inf"):
        report.problem(path, "must not be negative or infinite")
        return None
    return float(number)


def _base_model(blocks: Mapping[str, Mapping[str, Any]], path: Path, report: Report) -> str | None:
    """The model behind a name of the operator's own."""
    found: str | None = None
    for name, block in blocks.items():
        value = block.get(_BASE_MODEL)
        if isinstance(value, str):
            found = value or found
        elif value is not None:
            report.problem((*path, name, _BASE_MODEL), "expected the name of a model")
    return found

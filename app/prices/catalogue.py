"""The list price of a provider's model, from LiteLLM's table, looked up as LiteLLM does.

A deployment with an address of its own has a list price only where that address is known to be a provider's, or where
the provider has no common address (Azure): what an unknown server costs, only its operator knows. A price of zero is
taken for none: it stands for a model of one's own, or for a flat rate.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

from app.addresses import base_of
from app.prices.cost import Cost, Rates
from app.prices.fields import cost_of
from app.prices.table import read_table, table_name
from app.providers import RESPONSES_PREFIX, at_address, find

_FAMILIES = {
    "azure_text": "azure",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "text-completion-codestral": "codestral",
    "text-completion-openai": "openai",
    "vertex_ai_beta": "vertex_ai",
}
"""Names of providers in the table whose models others of the same company share."""
_ROUTE = re.compile(r"(?:converse|converse_like|invoke)/")
_REGION = re.compile(r"(?:us|us-gov|eu|apac|au|jp|ca|sa|global)\.(?=\w+\.)")
_FINE_TUNED = re.compile(r"(ft:[^:]+):.*")
_SNAPSHOT = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-\d{8}|@[\w-]+|-latest)(?:-v\d+:\d+)?$")


def catalogue_name() -> str:
    """Which catalogue it is, with its version and date."""
    return table_name()


def listed_cost(model: str, params: Mapping[str, Any], base_model: str | None = None) -> Cost | None:
    """The list price of a deployment's model, as the provider of its address bills it. None where nobody lists one.

    `model` is the provider's name with its prefix, `params` are the deployment's parameters. `base_model` is the name
    of the model behind one that an operator named, as in Azure: it counts whatever the address is.
    """
    custom, base = params.get("custom_llm_provider"), base_of(params)
    provider = custom if isinstance(custom, str) else None
    if base_model:
        return _listed(base_model, None if "/" in base_model else _prefix(model, provider), None)
    return _listed(model, provider, base if isinstance(base, str) else None)


@lru_cache(4096)
def _listed(model: str, custom_provider: str | None, base: str | None) -> Cost | None:
    found = find(model, {"custom_llm_provider": custom_provider})
    if found is None:
        return _entry_cost(model, None) if base is None else None
    prefix = found.provider.prefix
    known = None if base is None else at_address(base)
    if known is not None:
        prefix = known.prefix
    elif base is not None and found.provider.base_url is not None:
        return None
    return next((cost for name in _names(prefix, found.model) if (cost := _entry_cost(name, prefix))), None)


def _prefix(model: str, custom_provider: str | None) -> str | None:
    found = find(model, {"custom_llm_provider": custom_provider})
    return None if found is None else found.provider.prefix


def _names(prefix: str, model: str) -> Iterator[str]:
    """The names under which the table may have a model: with and without its provider, then without what says only
    where or when it is served."""
    model = _ROUTE.sub("", model.removeprefix(RESPONSES_PREFIX), count=1)
    if model.startswith("arn:"):
        model = model.rpartition("/")[2]
    bare = _REGION.sub("", model, count=1)
    trained = _FINE_TUNED.sub(r"\1", bare)
    for name in dict.fromkeys((model, bare, trained, _SNAPSHOT.sub("", trained))):
        yield f"{prefix}/{name}"
        yield name


def _entry_cost(name: str, prefix: str | None) -> Cost | None:
    """The price of an entry of the table, if it is of this provider, or of whichever where there is none."""
    raw = _entries().get(name)
    if raw is None:
        return None
    entry = msgspec.json.decode(raw)
    provider = str(entry.get("litellm_provider") or "")
    # A dash begins the kind of the model: vertex_ai-language-models.
    families = {provider, _FAMILIES.get(provider, provider), provider.partition("-")[0]}
    if prefix is not None and families.isdisjoint((prefix, _FAMILIES.get(prefix, prefix))):
        return None
    cost = cost_of(entry)
    return cost if cost is not None and any(_is_charged(bracket.rates) for bracket in cost.brackets) else None


def _is_charged(rates: Rates) -> bool:
    return bool(rates.input or rates.output)


@cache
def _entries() -> Mapping[str, msgspec.Raw]:
    """The table, each entry as JSON: to decode all of them would take ten times as long."""
    try:
        return msgspec.json.decode(read_table(), type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {}

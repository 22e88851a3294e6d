"""The models behind wildcards, as far as they are known without asking a provider: those that the table that comes with
LiteLLM has of it. Pure, but for that file.

A deployment with an address of its own, as in Azure, serves what nobody else knows: none of its models is listed.
"""

import re
from collections.abc import Iterable, Iterator

from app.addresses import base_of
from app.backends.model_names import ModelNames, is_wildcard
from app.configuration.litellm_providers import names_of
from app.providers import at_address
from app.settings import Deployment

_MOST = 2000


def behind_wildcards(deployments: Iterable[Deployment], names: ModelNames) -> tuple[str, ...]:
    """The names by which clients may ask for them, without those that are names of entries."""
    found = dict.fromkeys(name for one in deployments if is_wildcard(one.model_name) for name in _names(one))
    listed = set(names.listed())
    return tuple(name for name in found if name not in listed and names.find(name) is not None)[:_MOST]


def _names(deployment: Deployment) -> Iterator[str]:
    """What a client calls each known model of a deployment whose name and model have one wildcard each."""
    prefix, slash, model = deployment.model.partition("/")
    if not slash:
        prefix, model = deployment.provider, deployment.model
    if deployment.model_name.count("*") != 1 or model.count("*") != 1 or not _is_its_providers(deployment, prefix):
        return
    pattern = re.compile("(.+)".join(map(re.escape, model.split("*"))))
    for known in names_of(prefix):
        if (match := pattern.fullmatch(known)) is not None:
            yield deployment.model_name.replace("*", match[1])


def _is_its_providers(deployment: Deployment, prefix: str) -> bool:
    """Whether the address is the one that all have of the provider, so that its models are those of the table."""
    base = base_of(deployment.params)
    if base is None:
        return True
    found = at_address(base) if isinstance(base, str) else None
    return found is not None and found.prefix == prefix and found.base_url is not None

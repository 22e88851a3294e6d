"""Where a deployment's provider is asked, by which name of the model, and with which Authorization header. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.addresses import base_of, without_credentials
from app.backends.direct.parameters import named_headers
from app.providers import RESPONSES_PREFIX, Provider, ProviderModel, Quirks, find, quirks_at
from app.settings import Deployment


@dataclass(frozen=True)
class Endpoint:
    """`model` is the provider's name for it; `authorization` is the header for what stood in its base address."""

    provider: Provider
    model: str
    base: str
    version: str | None
    """Azure's `api-version`; None for everybody else."""
    quirks: Quirks
    authorization: str | None = field(default=None, repr=False)


def endpoint_of(deployment: Deployment) -> Endpoint:
    """Raises ValueError, with a text for the operator, where it leads to no model or to no address."""
    found = find(deployment.model, deployment.params)
    base = base_of(deployment.params) or (found.provider.base_url if found else None)
    model = _upstream_name(found) if found else ""
    if found is None or not model or not base:
        raise ValueError(
            f"{deployment.model!r} names no model, or has no api_base; expected something like openai/gpt-5"
        )
    address, authorization = without_credentials(str(base))
    version = _version(found.provider, deployment.params)
    names = (deployment.model, str(deployment.params.get("base_model") or ""))
    quirks = _at_version(quirks_at(found.provider, address, names), found.provider, version)
    return Endpoint(found.provider, model, address, version, quirks, authorization)


def is_before(version: str, date: str) -> bool:
    """Whether it is one of Azure's dated versions, and from before that date (2024-09-01)."""
    return version[:4].isdecimal() and version[:10] < date


def with_authorization(headers: dict[str, str], endpoint: Endpoint, params: Mapping[str, Any]) -> dict[str, str]:
    """`headers` with the user and password of the base address. Raises ValueError where something else wants their
    place."""
    if endpoint.authorization is None:
        return headers
    if "authorization" in headers.keys() | named_headers(params):
        raise ValueError(
            "api_base has a user and password, and the deployment has a key or a header of its own for the same place, "
            "the Authorization header; leave one of them out"
        )
    return {**headers, "authorization": endpoint.authorization}


def _upstream_name(found: ProviderModel) -> str:
    return found.model.removeprefix(RESPONSES_PREFIX) if found.provider.backend == "openai" else found.model


def _version(provider: Provider, params: Mapping[str, Any]) -> str | None:
    return None if provider.api_versions is None else str(params.get("api_version") or provider.api_versions.default)


def _at_version(quirks: Quirks, provider: Provider, version: str | None) -> Quirks:
    """What an older version of the API does not take yet."""
    dates = provider.api_versions
    if dates is None or version is None:
        return quirks
    return replace(
        quirks,
        stream_options=quirks.stream_options and not is_before(version, dates.stream_options),
        max_completion_tokens=quirks.max_completion_tokens and not is_before(version, dates.max_completion_tokens),
        developer=quirks.developer and not is_before(version, dates.developer),
    )

"""Which deployments may get the credential that a caller sent for its provider. Pure.

A deployment with `credentials: client` hands it on, and no other does. A caller addresses a provider by the model that
it asks for, in the provider's own API: so the credential goes to the deployments of that model, and to those of its
fallbacks that are at the same address. Whoever has none can use what is served with the gateway's own credentials.
"""

from collections.abc import Collection, Mapping, Sequence

from app.addresses import base_of
from app.dialects import dialect_of
from app.errors import AuthenticationFailed
from app.messages import Request
from app.settings import Deployment

_APIS: Mapping[str, str] = {"openai": "OpenAI", "anthropic": "Anthropic"}
Address = tuple[str, str]
"""A provider and where it is asked."""


def _address_of(deployment: Deployment) -> Address:
    return deployment.provider, str(base_of(deployment.params) or "")


def addressed(deployments: Sequence[Deployment]) -> frozenset[Address]:
    """Whom a caller's credential is for that asks for the model of these deployments."""
    return frozenset(_address_of(one) for one in deployments if one.credentials == "client")


def permitted(
    pools: Sequence[Sequence[Deployment]], request: Request, addresses: Collection[Address]
) -> list[Sequence[Deployment]]:
    """The deployments of each pool that may be asked. Raises AuthenticationFailed where all of them want a credential
    that the request does not have, or has for somebody else."""
    found = [[one for one in pool if may_ask(one, request, addresses)] for pool in pools]
    if any(pools) and not any(found):
        api = " and ".join(sorted({_APIS.get(one.backend, one.backend) for pool in pools for one in pool}))
        raise AuthenticationFailed(
            f"This model is asked with your own credential for its provider, by the API of {api}: send it in one of "
            "`authorization` and `x-api-key`, and the gateway's key, if it has one, in the other."
        )
    return list(found)


def may_ask(deployment: Deployment, request: Request, addresses: Collection[Address]) -> bool:
    """Whether a deployment needs no credential of the caller's, or may get it."""
    if deployment.credentials == "gateway":
        return True
    same_api = dialect_of(request).provider == deployment.backend
    return request.credential is not None and same_api and _address_of(deployment) in addresses

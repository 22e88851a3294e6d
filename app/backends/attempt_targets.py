"""What telemetry is told of whom an attempt asks, put together once for all attempts that ask the same."""

from functools import lru_cache
from urllib.parse import urlsplit

from app.addresses import base_of, is_internal
from app.providers import RESPONSES_PREFIX, ResponsesApi, row_of
from app.settings import Deployment
from telemetry import AttemptTarget

_KEPT = 4096
"""Targets; with wildcards their models are callers' choice."""


def target_of(deployment: Deployment, operation: str, *, stream: bool) -> AttemptTarget:
    """The target of an attempt at a deployment, whose wildcards have been filled."""
    base = base_of(deployment.params)
    names = (deployment.id, deployment.provider, deployment.model, deployment.model_name)
    return _target(*names, deployment.responses, base, operation, stream)


@lru_cache(_KEPT)
def _target(
    id: str, provider: str, model: str, group: str, responses: ResponsesApi, base: object, operation: str, stream: bool
) -> AttemptTarget:
    prefix, _, rest = model.partition("/")
    name = rest or model
    address, port = _server(base)
    asked_at = base or row_of(prefix).base_url
    return AttemptTarget(
        deployment=id,
        provider=provider,
        # The name by which the provider knows the model.
        model=name if responses == "none" else name.removeprefix(RESPONSES_PREFIX),
        model_group=group,
        operation=operation,
        stream=stream,
        server_address=address,
        server_port=port,
        is_internal=isinstance(asked_at, str) and is_internal(asked_at),
    )


def _server(base: object) -> tuple[str | None, int | None]:
    """Host and port of the base URL that the operator gave; None where there is none: the backend knows the provider's
    address."""
    try:
        url = urlsplit(str(base or ""))
        return url.hostname, url.port
    except ValueError:
        return None, None

"""What telemetry is told of whom an attempt asks, put together once for all attempts that ask the same."""

from urllib.parse import urlsplit

from app.addresses import base_of, is_internal
from app.providers import RESPONSES_PREFIX, row_of
from app.settings import Deployment
from telemetry import AttemptTarget

_KEPT = 4096
"""Targets; with wildcards their models are callers' choice."""


class AttemptTargets:
    """The targets of the attempts of one configuration."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str, bool], AttemptTarget] = {}

    def of(self, deployment: Deployment, operation: str, stream: bool) -> AttemptTarget:
        """The target of an attempt at a deployment, whose wildcards have been filled."""
        key = deployment.id, deployment.model, operation, stream
        if (made := self._made.get(key)) is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            made = self._made[key] = target_of(deployment, operation, stream=stream)
        return made


def target_of(deployment: Deployment, operation: str, *, stream: bool) -> AttemptTarget:
    """The target of an attempt at a deployment, whose wildcards have been filled, made anew."""
    base = base_of(deployment.params)
    prefix, _, rest = deployment.model.partition("/")
    name = rest or deployment.model
    address, port = _server(base)
    asked_at = base or row_of(prefix).base_url
    return AttemptTarget(
        deployment=deployment.id,
        provider=deployment.provider,
        # The name by which the provider knows the model.
        model=name if deployment.responses == "none" else name.removeprefix(RESPONSES_PREFIX),
        model_group=deployment.model_name,
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

"""The backends of all deployments, each made at its first use, so that thousands of them cost nothing until asked."""

from collections import OrderedDict
from collections.abc import Callable

from app.backends.attempts import Backend
from app.backends.model_names import is_wildcard
from app.settings import Deployment

_MOST_OF_WILDCARDS = 512
"""Models behind wildcards whose backends are kept."""


class DeploymentBackends:
    """One per process."""

    def __init__(self, make: Callable[[Deployment], Backend]) -> None:
        self._make = make
        self._made: dict[str, Backend] = {}
        self._of_wildcards: OrderedDict[tuple[str, str], Backend] = OrderedDict()
        """By deployment and model, the one that was not used for longest first."""

    def of(self, deployment: Deployment) -> Backend:
        """The backend of a deployment, the same one at each call."""
        if is_wildcard(deployment.model_name):
            return self._of_wildcard(deployment)
        if (backend := self._made.get(deployment.id)) is None:
            backend = self._made[deployment.id] = self._make(deployment)
        return backend

    async def aclose(self) -> None:
        """Close every backend that was made and is kept."""
        for backend in (*self._made.values(), *self._of_wildcards.values()):
            await backend.aclose()

    def _of_wildcard(self, deployment: Deployment) -> Backend:
        """Callers choose the models behind a wildcard, so only so many backends are kept. One that is dropped lives on
        for as long as a stream of its own does, and its connections are shared by all of the same address."""
        key = deployment.id, deployment.model
        if (backend := self._of_wildcards.get(key)) is None:
            backend = self._of_wildcards[key] = self._make(deployment)
            if len(self._of_wildcards) > _MOST_OF_WILDCARDS:
                self._of_wildcards.popitem(last=False)
        self._of_wildcards.move_to_end(key)
        return backend

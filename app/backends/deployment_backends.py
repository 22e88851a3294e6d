"""The backends of all deployments, each made at its first use, so that thousands of them cost nothing until asked.

A backend belongs to all configurations that have its very deployment, from the one for which it was made on, and is
closed with the last of them: a reload leaves the connections alone that it does not concern.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from app.backends.attempts import Backend
from app.backends.model_names import is_wildcard
from app.settings import Deployment

_MOST_OF_WILDCARDS = 512
"""Models behind wildcards whose backends one configuration keeps."""

BackendFactory = Callable[[Deployment], Backend]
"""Makes the backend of a deployment. Two that are equal make the same ones."""
_Key = tuple[str, str]
"""The id of a deployment and, of a wildcard's, the model that was asked for."""


class _Shared:
    """A backend, what it was made of, and for how many configurations it is kept."""

    def __init__(self, backend: Backend, deployment: Deployment, make: BackendFactory) -> None:
        self.backend = backend
        self.deployment = deployment
        """The entry of the configuration: of a wildcard the one with the wildcard."""
        self.make = make
        self.users = 0


class BackendPool:
    """The backends of a process."""

    def __init__(self) -> None:
        self._shared: dict[_Key, list[_Shared]] = {}

    def backends(self, deployments: Iterable[Deployment], make: BackendFactory) -> "DeploymentBackends":
        """The backends of a configuration. They have to be closed."""
        return DeploymentBackends(self, {one.id: one for one in deployments}, make)

    def kept(self) -> list[_Key]:
        """What backends were made of and are kept."""
        return list(self._shared)

    def take(self, key: _Key, deployment: Deployment, make: BackendFactory) -> _Shared | None:
        """The backend that was made of the very same, if there is one. It has to be given back."""
        for one in self._shared.get(key, ()):
            if one.make == make and one.deployment == deployment:
                one.users += 1
                return one
        return None

    def add(self, key: _Key, made: _Shared) -> None:
        """Keep a backend that was just made. It has to be given back."""
        made.users += 1
        self._shared.setdefault(key, []).append(made)

    def give_back(self, key: _Key, one: _Shared) -> bool:
        """Whether nobody else keeps the backend, so that it is to be closed."""
        one.users -= 1
        if one.users:
            return False
        others = [other for other in self._shared.get(key, ()) if other is not one]
        if others:
            self._shared[key] = others
        else:
            self._shared.pop(key, None)
        return True


class DeploymentBackends:
    """The backends of one configuration."""

    def __init__(self, pool: BackendPool, deployments: dict[str, Deployment], make: BackendFactory) -> None:
        self._pool = pool
        self._deployments = deployments
        self._make = make
        self._kept: dict[str, _Shared] = {}
        self._of_wildcards: OrderedDict[_Key, _Shared] = OrderedDict()
        """The one that was not used for longest first."""
        for key in pool.kept():
            self._take(key)

    def of(self, deployment: Deployment) -> Backend:
        """The backend of a deployment, the same one at each call."""
        if (one := self._kept.get(deployment.id)) is None:
            if is_wildcard(deployment.model_name):
                return self._of_wildcard(deployment)
            one = self._kept[deployment.id] = self._made((deployment.id, ""), deployment)
        return one.backend

    async def aclose(self) -> None:
        """Close every backend that no other configuration keeps."""
        kept: list[tuple[_Key, _Shared]] = [((id, ""), one) for id, one in self._kept.items()]
        kept += self._of_wildcards.items()
        self._kept.clear()
        self._of_wildcards.clear()
        for one in [one for key, one in kept if self._pool.give_back(key, one)]:
            await one.backend.aclose()

    def _take(self, key: _Key) -> None:
        """Keep what another configuration has made of a deployment that this one has, too."""
        id, model = key
        if (deployment := self._deployments.get(id)) is None or is_wildcard(deployment.model_name) != bool(model):
            return
        if (one := self._pool.take(key, deployment, self._make)) is None:
            return
        if model:
            self._of_wildcards[key] = one
        else:
            self._kept[id] = one

    def _of_wildcard(self, deployment: Deployment) -> Backend:
        """Callers choose the models behind a wildcard, so only so many backends are kept. One that is dropped lives on
        for as long as a stream of its own does, and its connections are shared by all of the same address."""
        key = deployment.id, deployment.model
        if (one := self._of_wildcards.get(key)) is None:
            one = self._of_wildcards[key] = self._made(key, deployment)
            if len(self._of_wildcards) > _MOST_OF_WILDCARDS:
                self._pool.give_back(*self._of_wildcards.popitem(last=False))
        self._of_wildcards.move_to_end(key)
        return one.backend

    def _made(self, key: _Key, deployment: Deployment) -> _Shared:
        entry = self._deployments[deployment.id]
        if (one := self._pool.take(key, entry, self._make)) is None:
            one = _Shared(self._make(deployment), entry, self._make)
            self._pool.add(key, one)
        return one

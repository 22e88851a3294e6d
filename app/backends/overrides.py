"""What an operator has changed of deployments by hand, beside the configuration: who is drained, and other weights.

It outlives the router that goes by it. Where nothing is changed, asking costs one look.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from app.settings import Deployment


class DeploymentOverrides:
    """Deployments are named by their ids. A drained one gets no new attempts, and those under way go on."""

    def __init__(self) -> None:
        self._drained: set[str] = set()
        self._weights: dict[str, float] = {}
        self.in_force = False
        """Whether anything is changed."""

    def is_drained(self, deployment: str) -> bool:
        return deployment in self._drained

    @property
    def drained(self) -> frozenset[str]:
        """All that are drained."""
        return frozenset(self._drained)

    def weight(self, deployment: Deployment) -> float:
        """The weight that counts."""
        return self._weights.get(deployment.id, deployment.weight)

    def drain(self, deployment: str) -> None:
        self._drained.add(deployment)
        self.in_force = True

    def restore(self, deployment: str) -> None:
        """End a drain."""
        self._drained.discard(deployment)
        self.in_force = bool(self._drained or self._weights)

    def set_weight(self, deployment: str, weight: float | None) -> None:
        """Have a deployment chosen by this weight; None for the one in the configuration."""
        if weight is None:
            self._weights.pop(deployment, None)
        else:
            self._weights[deployment] = weight
        self.in_force = bool(self._drained or self._weights)

    def serving(self, pool: Sequence[Deployment]) -> Sequence[Deployment]:
        """The deployments that may be asked, with the weights that count; `pool` itself where nothing is changed."""
        if not self.in_force:
            return pool
        return [self._weighed(one) for one in pool if one.id not in self._drained]

    def _weighed(self, deployment: Deployment) -> Deployment:
        weight = self._weights.get(deployment.id)
        return deployment if weight is None else replace(deployment, weight=weight)

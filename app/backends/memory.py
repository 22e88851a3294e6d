"""What is known of deployments that outlives a configuration: a reload forgets nothing of those that stay.

A deployment stays where one of its id is asked in the same way: the same model at the same address with the same
credentials. What an operator has changed there may have been what ailed it, so it begins anew.
"""

from collections.abc import Sequence

from app.backends.balancing import FirstTokenTimes
from app.backends.deployment_backends import BackendPool
from app.backends.deployments import RetryBudget
from app.backends.sticky_conversations import StickyConversations
from app.backends.stored_responses import ResponseIds
from app.settings import Deployment


class RoutingMemory:
    """One per process, for the routers of all its configurations."""

    def __init__(self, responses: ResponseIds | None = None) -> None:
        """`responses` take the place of those that would be this process's alone."""
        self.backends = BackendPool()
        self.responses = responses or ResponseIds()
        self.retry_budgets: dict[str, RetryBudget] = {}
        """By the name of the model."""
        self.resting: dict[str, float] = {}
        """Deployments that have said when to come back, with the clock's time until which they are asked last."""
        self.first_tokens = FirstTokenTimes()
        self.sticky = StickyConversations()
        self.missing: set[str] = set()
        """Deployments whose provider was found not to have their model."""

    def keep(self, stays: frozenset[str]) -> None:
        """Forget what was known of deployments other than those of these ids."""
        self.missing &= stays
        self.first_tokens.keep(stays)
        self.sticky.keep(stays)
        self.resting = {deployment: until for deployment, until in self.resting.items() if deployment in stays}
        self.retry_budgets = {model: budget for model, budget in self.retry_budgets.items() if budget.requests}


def staying(before: Sequence[Deployment], after: Sequence[Deployment]) -> frozenset[str]:
    """The ids of the deployments that are asked in the same way after a reload as before it."""
    known = {one.id: _way(one) for one in before}
    return frozenset(one.id for one in after if known.get(one.id) == _way(one))


def _way(deployment: Deployment) -> tuple[object, ...]:
    one = deployment
    return one.model, one.provider, one.backend, one.responses, one.params, one.credentials

"""What a request may come to at most, in tokens and dollars, before anybody is asked: for limits and budgets. Pure.

The prompt is an estimate, and counts as if all of it were written into a provider's cache, where that is dearer. An
answer is as long as the request allows, or the deployment's own parameters; where neither says so, as long as
`usual_answer`. Of all deployments that may be asked the dearest counts.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from app.messages import Request
from app.prices import Cost
from app.settings import Deployment
from telemetry import Tokens

_MOST_TOKENS = ("max_completion_tokens", "max_tokens")


class Ceiling(Struct, frozen=True):
    """The most that a request may come to."""

    prompt: int
    """Tokens of the prompt."""
    most_answer: int
    """Tokens of all its answers together."""
    usd: float
    """US dollars, at deployments with a known price."""
    unpriced: str | None = None
    """The model of a deployment whose price is not known; None if there is none."""

    @property
    def tokens(self) -> int:
        return self.prompt + self.most_answer


def ceiling_of(request: Request, deployments: Iterable[Deployment], prompt: int, usual_answer: int) -> Ceiling:
    """The most that `request`, whose prompt has about so many tokens, may come to at any of the deployments."""
    tier = request.extra.get("service_tier")
    tiers = (None, tier) if isinstance(tier, str) else (None,)
    answers, most_answer, usd, unpriced = _answers(request), 0, 0.0, None
    for one in deployments:
        answer = answers * _answer_tokens(request, one, usual_answer)
        most_answer = max(most_answer, answer)
        if one.cost is None:
            unpriced = unpriced or one.model
            continue
        for service in tiers:
            usd = max(usd, one.cost.dollars(_tokens(one.cost, prompt, answer), {}, service))
    return Ceiling(prompt, most_answer, usd, unpriced)


def _tokens(cost: Cost, prompt: int, answer: int) -> Tokens:
    """The tokens with the prompt as what is dearest: read as it is, or written into a cache."""
    rates = cost.brackets[0].rates
    if rates.cache_write > rates.input:
        return Tokens(0, 0, prompt, answer, 0)
    return Tokens(prompt, 0, 0, answer, 0)


def _answers(request: Request) -> int:
    """How many answers there will be; those that a provider makes to choose among count, too."""
    if request.operation == "embeddings":
        return 0
    best_of = request.extra.get("best_of")
    each = max(request.n or 1, best_of if isinstance(best_of, int) else 1)
    return each * len(request.messages) if request.operation == "text_completion" else each


def _answer_tokens(request: Request, deployment: Deployment, usual_answer: int) -> int:
    if request.max_tokens is not None:
        return max(0, request.max_tokens)
    given: list[Any] = [deployment.params.get(name) for name in _MOST_TOKENS]
    return next((most for most in given if isinstance(most, int) and most > 0), usual_answer)

"""How much a model may think: OpenAI's `reasoning_effort` and Anthropic's `budget_tokens`, each for the other."""

from app.messages import Reasoning

_MIN_BUDGET = 1024
"""Anthropic refuses less."""
_ANSWER_TOKENS = 1024
"""Left for the answer when a budget has to fit under `max_tokens`, which counts thinking too."""
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}


def effort(reasoning: Reasoning) -> str | None:
    """The effort in OpenAI's words, or None to leave the choice to the model.

    Thinking that Anthropic's client forbids is left out: models that do not reason refuse the field whatever it says.
    """
    if reasoning.effort is not None:
        return reasoning.effort
    if not reasoning.enabled or reasoning.budget_tokens is None:
        return None
    return next((word for word in ("low", "medium") if reasoning.budget_tokens <= _BUDGETS[word]), "high")


def budget(reasoning: Reasoning, max_tokens: int | None) -> int | None:
    """The budget in tokens for Anthropic, or None where there is no room to think in."""
    if not reasoning.enabled or reasoning.effort == "none":
        return None
    wanted = reasoning.budget_tokens or _BUDGETS.get(reasoning.effort or "medium", _BUDGETS["medium"])
    room = wanted if max_tokens is None else min(wanted, max_tokens - _ANSWER_TOKENS)
    return room if room >= _MIN_BUDGET else None

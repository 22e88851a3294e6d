"""Thinking, effort and sampling as a model of Claude takes them. Pure.

An effort becomes `thinking: adaptive` with `output_config.effort` where the model has it, and a budget where it has
not. What a client asked in Anthropic's own words is changed only where this model is known to refuse it: a budget for a
model that thinks adaptively becomes the nearest effort, and so on.
"""

from typing import Any

from app.dialects.anthropic_messages.claude_models import ALL_EFFORTS, ClaudeModel
from app.dialects.translation.reasoning_effort import budget, effort
from app.dialects.validation import without
from app.messages import Reasoning

_EFFORT = frozenset({"effort"})
_BUDGET = frozenset({"budget_tokens"})
_NAMES = {"minimal": "low"}
"""Words of OpenAI's that Anthropic does not have."""
_HIGHEST_WITHOUT_THINKING = "high"
_SUMMARIZED = {"display": "summarized"}
_LEAST_TOP_P = 0.95
"""Beside thinking nothing less is taken."""
_DEFAULT = 1
"""The `temperature` and the `top_p` that say what is the case anyway."""
_FITTED = frozenset({"thinking", "output_config", "temperature", "top_p", "top_k"})
"""The fields of which a model may refuse something."""
_Body = dict[str, Any]


def thinking_for(
    reasoning: Reasoning, model: ClaudeModel, max_tokens: int | None, is_allowed: bool, may_resume: bool
) -> tuple[_Body | None, str | None]:
    """`thinking` and the effort for a client of another dialect, each None to leave it out.

    `is_allowed`: nothing else in the request forbids thinking. `may_resume`: the thinking before the latest calls is in
    the conversation, or there are none; a budget needs that, adaptive thinking does not.
    """
    if not reasoning.enabled or reasoning.effort == "none":
        return _least(model)
    if model.thinking in ("both", "adaptive"):
        wanted = effort(reasoning)
        word = wanted if wanted in ALL_EFFORTS or wanted in _NAMES else None
        if not is_allowed:
            return ({"type": "disabled"} if model.no_thinking == "disabled" else None), word
        return {"type": "adaptive", **(_SUMMARIZED if model.hides_thinking else {})}, word
    tokens = budget(reasoning, max_tokens) if is_allowed and may_resume and model.thinking == "budgets" else None
    return (None if tokens is None else {"type": "enabled", "budget_tokens": tokens}), None


def fit_thinking(body: _Body, model: ClaudeModel) -> _Body:
    """The body with thinking, effort and sampling that the model takes; the same object where nothing is wrong."""
    if _FITTED.isdisjoint(body):
        return body
    thinking = body.get("thinking")
    config = body.get("output_config")
    config = config if isinstance(config, dict) else {}
    fitted, word = _fitted(thinking if isinstance(thinking, dict) else None, config.get("effort"), body, model)
    word = _known_effort(word, fitted, model)
    changed: _Body = {}
    if fitted is not thinking:
        changed["thinking"] = fitted
    if word != config.get("effort"):
        changed["output_config"] = {
            **without(config, _EFFORT),
            **({} if word is None else {"effort": word}),
        } or None
    changed |= dict.fromkeys(_refused_sampling(body, fitted, model))
    if not changed:
        return body
    return {name: value for name, value in {**body, **changed}.items() if value is not None or name not in changed}


def _least(model: ClaudeModel) -> tuple[_Body | None, str | None]:
    match model.no_thinking:
        case "omitted":
            return None, None
        case "low_effort":
            return None, "low"
        case kind:
            return {"type": kind}, None


def _fitted(
    thinking: _Body | None, word: str | None, body: _Body, model: ClaudeModel
) -> tuple[_Body | None, str | None]:
    kind = None if thinking is None else thinking.get("type")
    if thinking is None or not model.is_known:
        return thinking, word
    match kind:
        case "enabled" | "adaptive" if model.thinking == "none":
            return None, word
        case "enabled" if model.thinking == "adaptive":
            given = Reasoning(budget_tokens=thinking.get("budget_tokens"))
            return {**without(thinking, _BUDGET), "type": "adaptive"}, word or effort(given)
        case "adaptive" if model.thinking == "budgets":
            tokens = budget(Reasoning(effort=_NAMES.get(word or "", word)), body.get("max_tokens"))
            given_up = None if tokens is None else {**thinking, "type": "enabled", "budget_tokens": tokens}
            return given_up, word
        case "disabled" | "between_tools" if kind != model.no_thinking:
            if kind == "disabled" and model.no_thinking == "omitted":
                return thinking, word
            least, low = _least(model)
            return least, word or low
        case _:
            return thinking, word


def _known_effort(word: str | None, thinking: _Body | None, model: ClaudeModel) -> str | None:
    """The word itself, or the nearest below it that the model takes; None where it takes none."""
    if word is None:
        return None
    word = _NAMES.get(word, word)
    if not model.efforts:
        return None if model.is_known else word
    known = model.efforts
    if thinking is not None and thinking.get("type") == "disabled" and model.no_thinking == "disabled":
        known = known[: known.index(_HIGHEST_WITHOUT_THINKING) + 1]
    if word in known or word not in ALL_EFFORTS:
        return word
    below = ALL_EFFORTS[: ALL_EFFORTS.index(word)]
    return next((lower for lower in reversed(below) if lower in known), known[0])


def _refused_sampling(body: _Body, thinking: _Body | None, model: ClaudeModel) -> list[str]:
    """The names of the sampling parameters that have to go."""
    temperature, top_p = body.get("temperature"), body.get("top_p")
    refused = []
    thinks = thinking is not None and thinking.get("type") in ("enabled", "adaptive")
    if model.samplers == "none":
        return [name for name in ("temperature", "top_p", "top_k") if name in body]
    if thinks and model.is_known:
        refused += ["temperature"] if temperature not in (None, _DEFAULT) else []
        refused += ["top_k"] if body.get("top_k") is not None else []
        refused += ["top_p"] if top_p is not None and top_p < _LEAST_TOP_P else []
    if model.samplers == "one" and temperature is not None and top_p is not None and not refused:
        # Of two, the one goes that says nothing; if both say something, `top_p`, which is the rarer wish.
        refused.append("temperature" if temperature == _DEFAULT and top_p != _DEFAULT else "top_p")
    return refused

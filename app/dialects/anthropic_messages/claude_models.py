"""What each generation of Claude takes: thinking, effort, sampling, prefill, forced tools, limits. Data alone.

Sources: platform.claude.com, pages "Troubleshooting thinking", "Effort", "Structured outputs", "Models overview" and
the migration guides of 4.5 to 5.5; LiteLLM's list of models for the limits of output tokens.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True)
class ClaudeModel:
    """What a model takes. The defaults are those of a model of which nothing is known: nothing is taken away."""

    thinking: Literal["none", "budgets", "both", "adaptive"] = "budgets"
    """`thinking.type` that it takes: none, `enabled` with `budget_tokens`, `adaptive` as well, or `adaptive` alone."""
    no_thinking: Literal["omitted", "disabled", "between_tools", "low_effort"] = "omitted"
    """How thinking is turned off or made least: by saying nothing, by that `thinking.type`, or by the lowest effort."""
    efforts: tuple[str, ...] = ()
    """Words for `output_config.effort`, in rising order; empty where the field is refused."""
    hides_thinking: bool = False
    """Its thinking comes without text unless `thinking.display` asks for it."""
    samplers: Literal["all", "one", "none"] = "all"
    """Whether `temperature` and `top_p` may both be set, one of them, or none at all (then no `top_k` either)."""
    prefill: bool = True
    """A conversation may end with the beginning of the assistant's answer."""
    forced_tools: bool = True
    """`tool_choice` may be `any` or `tool`."""
    schemas: bool = True
    """It takes `output_config.format`."""
    max_tokens: int | None = None
    """The most output tokens, thinking included; None if unknown."""
    is_known: bool = True
    """Its name tells what it takes."""


_LOW_TO_HIGH = ("low", "medium", "high")
ALL_EFFORTS = (*_LOW_TO_HIGH, "xhigh", "max")
"""In rising order."""
_CLAUDE_3 = ClaudeModel(thinking="none", schemas=False, max_tokens=4096)
_CLAUDE_3_5 = replace(_CLAUDE_3, max_tokens=8192)
_CLAUDE_3_7 = ClaudeModel(schemas=False, max_tokens=64000)
_OPUS_4 = replace(_CLAUDE_3_7, max_tokens=32000)
_OPUS_4_1 = replace(_OPUS_4, samplers="one", schemas=True)
_CLAUDE_4_5 = ClaudeModel(samplers="one", max_tokens=64000)
_OPUS_4_5 = replace(_CLAUDE_4_5, efforts=_LOW_TO_HIGH)
_CLAUDE_4_6 = ClaudeModel("both", efforts=(*_LOW_TO_HIGH, "max"), samplers="one", prefill=False, max_tokens=128000)
_CLAUDE_4_7 = replace(_CLAUDE_4_6, thinking="adaptive", efforts=ALL_EFFORTS, hides_thinking=True, samplers="none")
_CLAUDE_5 = replace(_CLAUDE_4_7, no_thinking="disabled")
_FABLE_5 = replace(_CLAUDE_4_7, no_thinking="low_effort")
_OPUS_5_5 = replace(_FABLE_5, forced_tools=False)
_SONNET_5_5 = replace(_OPUS_5_5, no_thinking="between_tools")
_FAMILIES: dict[str, tuple[tuple[tuple[int, int], ClaudeModel], ...]] = {
    "opus": (
        ((5, 5), _OPUS_5_5),
        ((5, 0), _CLAUDE_5),
        ((4, 7), _CLAUDE_4_7),
        ((4, 6), _CLAUDE_4_6),
        ((4, 5), _OPUS_4_5),
        ((4, 1), _OPUS_4_1),
        ((4, 0), _OPUS_4),
        ((0, 0), _CLAUDE_3),
    ),
    "sonnet": (
        ((5, 5), _SONNET_5_5),
        ((5, 0), _CLAUDE_5),
        ((4, 6), _CLAUDE_4_6),
        ((4, 5), _CLAUDE_4_5),
        ((3, 7), _CLAUDE_3_7),
        ((3, 5), _CLAUDE_3_5),
        ((0, 0), _CLAUDE_3),
    ),
    "haiku": (
        ((5, 0), _CLAUDE_5),
        ((4, 5), _CLAUDE_4_5),
        ((3, 5), _CLAUDE_3_5),
        ((0, 0), _CLAUDE_3),
    ),
    "fable": (((5, 1), _OPUS_5_5), ((0, 0), _FABLE_5)),
    "mythos": (((5, 1), _OPUS_5_5), ((0, 0), _FABLE_5)),
}
"""Families -> versions since which something holds, newest first; a version newer than all is like the newest."""
_NEWEST = _OPUS_5_5
_NO_VERSION = ClaudeModel("adaptive", efforts=ALL_EFFORTS, hides_thinking=True, max_tokens=32000, is_known=False)
"""Claude by a name that tells no version, as servers in between have them: asked for thinking as the newest are, and
nothing that older ones take is taken away. The limit is what each model since 4 takes."""
_OTHER = ClaudeModel(is_known=False)
"""A model of another provider behind this API: DeepSeek's, Moonshot's and Z.ai's servers take budgets."""
_FAMILY_FIRST = re.compile(r"claude[-_.](?P<family>[a-z]+)[-_.]v?(?P<major>\d{1,2})(?:[-_.](?P<minor>\d{1,2}))?(?!\d)")
_VERSION_FIRST = re.compile(r"claude[-_.]v?(?P<major>\d)(?:[-_.](?P<minor>\d))?(?!\d)(?:[-_.](?P<family>[a-z]+))?")


@lru_cache(maxsize=256)
def claude_model(name: str) -> ClaudeModel:
    """The facts about a model, by any provider's name of it."""
    lower = name.lower()
    if "claude" not in lower:
        return _OTHER
    found = _FAMILY_FIRST.search(lower) or _VERSION_FIRST.search(lower)
    if found is None:
        family = next((family for family in ("fable", "mythos") if family in lower), "")
        return _FABLE_5 if family else _NO_VERSION
    version = int(found["major"]), int(found["minor"] or 0)
    if version < (3, 0):
        return _CLAUDE_3
    generations = _FAMILIES.get(found["family"] or "", ())
    return next((model for since, model in generations if version >= since), _NEWEST)

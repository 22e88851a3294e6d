"""Quirks that several rows of the table have in common."""

from app.providers.quirks import Quirks, ThinkingHistory

NO_THINKING = ThinkingHistory(fields=())
LATER_FIELDS = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store"}
    | {"verbosity"}
)
"""Fields that OpenAI added to its API later, which a provider that refuses unknown fields mostly does not know."""
SAMPLING = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"})
REASONING_GUIDE = "https://platform.openai.com/docs/guides/reasoning"
OPENAI_MODELS = (
    (
        (
            "o1",
            "o1-*",
            "o3",
            "o3-*",
            "o4-*",
            "o_series/*",
            "gpt5_series/*",
            "gpt-5",
            "gpt-5-mini*",
            "gpt-5-nano*",
            "gpt-5-pro*",
            "gpt-5-codex*",
            "gpt-5-20*",
        ),
        Quirks(
            max_completion_tokens=True,
            dropped=SAMPLING,
            sources={
                "max_completion_tokens": REASONING_GUIDE,
                "dropped": "https://platform.openai.com/docs/guides/latest-model#gpt-5-1-parameter-compatibility",
            },
        ),
    ),
    (
        ("gpt-5.*",),
        Quirks(
            max_completion_tokens=True,
            dropped_in_reasoning=SAMPLING,
            sources={
                "max_completion_tokens": REASONING_GUIDE,
                "dropped_in_reasoning": (
                    "https://platform.openai.com/docs/guides/latest-model#gpt-5-1-parameter-compatibility"
                ),
            },
        ),
    ),
)
"""Models of OpenAI's that reason. They keep their names at whatever address they are asked for."""


def top_k(source: str) -> Quirks:
    return Quirks(top_k=True, sources={"top_k": source})

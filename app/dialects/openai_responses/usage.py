"""What a Responses provider counts, to the common form and back."""

from collections.abc import Mapping
from typing import Any

from app.dialects.validation import rest
from app.messages import Usage

_COUNTS = frozenset(["input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"])
_OF_OTHERS = frozenset(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"])


def decode_usage(said: Mapping[str, Any]) -> Usage:
    input_details, output_details = said.get("input_tokens_details") or {}, said.get("output_tokens_details") or {}
    return Usage(
        prompt_tokens=_count(said.get("input_tokens")),
        completion_tokens=_count(said.get("output_tokens")),
        cache_read_input_tokens=_count(input_details.get("cached_tokens")),
        cache_creation_input_tokens=_count(input_details.get("cache_write_tokens")),
        reasoning_tokens=_count(output_details.get("reasoning_tokens")),
        extra=rest(said, _COUNTS),
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    return {
        **{name: value for name, value in usage.extra.items() if name not in _OF_OTHERS},
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_creation_input_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def _count(value: Any) -> int:
    return int(value or 0)

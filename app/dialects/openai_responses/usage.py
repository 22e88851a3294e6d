"""What a Responses provider counts, to the common form and back."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from app.dialects.token_counts import decode_counts
from app.dialects.validation import rest
from app.messages import Usage

_COUNTS = frozenset(["input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"])
_OF_OTHERS = frozenset(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"])


def decode_usage(counts: Mapping[str, Any]) -> Usage:
    usage, others = decode_counts(counts), rest(counts, _COUNTS)
    return replace(usage, extra=others) if others else usage


def usage_of(response: Mapping[str, Any]) -> Usage | None:
    """The usage of a response; None if it counts nothing."""
    counts = response.get("usage")
    return decode_usage(counts) if counts and isinstance(counts, dict) else None


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

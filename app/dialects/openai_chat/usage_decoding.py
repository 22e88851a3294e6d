"""What OpenAI-compatible providers count, to the common form; the numbers of their own go along as they came."""

from collections.abc import Mapping
from typing import Any

from app.dialects.validation import rest
from app.messages import Usage

_KNOWN = frozenset(["prompt_tokens", "completion_tokens", "total_tokens"])


def decode_usage(said: Mapping[str, Any]) -> Usage:
    prompt = said.get("prompt_tokens_details") or {}
    completion = said.get("completion_tokens_details") or {}
    return Usage(
        prompt_tokens=_count(said.get("prompt_tokens")),
        completion_tokens=_count(said.get("completion_tokens")),
        cache_read_input_tokens=_count(
            prompt.get("cached_tokens") or said.get("prompt_cache_hit_tokens") or said.get("cached_tokens")
        ),
        cache_creation_input_tokens=_count(prompt.get("cache_write_tokens") or prompt.get("cache_creation_tokens")),
        reasoning_tokens=_count(completion.get("reasoning_tokens") or said.get("reasoning_tokens")),
        extra=rest(said, _KNOWN),
    )


def _count(value: Any) -> int:
    return int(value or 0)

"""What Anthropic counts, to the common form: its input leaves out what a cache gave or took."""

from typing import Any

from app.messages import Usage

_COUNTS = frozenset(
    ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens_details"]
)


def decode_usage(said: dict[str, Any]) -> Usage:
    read, created = said.get("cache_read_input_tokens") or 0, said.get("cache_creation_input_tokens") or 0
    details = said.get("output_tokens_details")
    extra = {name: value for name, value in said.items() if name not in _COUNTS}
    return Usage(
        prompt_tokens=(said.get("input_tokens") or 0) + read + created,
        completion_tokens=said.get("output_tokens") or 0,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=created,
        reasoning_tokens=(details or {}).get("thinking_tokens") or 0,
        extra=extra | ({"output_tokens_details": details} if details else {}),
    )

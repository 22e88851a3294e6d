"""What a provider counts in its messages. Pure."""

from typing import Any

from msgspec.structs import replace

from app.dialects.token_counts import decode_counts
from app.dialects.validation import without
from app.messages import Usage

_COUNTS = frozenset(
    ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens_details"]
)


def present(usage: object) -> dict[str, Any]:
    """The counts without those that are null; empty for what is no usage."""
    return {name: value for name, value in usage.items() if value is not None} if isinstance(usage, dict) else {}


def usage_of(counts: dict[str, Any]) -> Usage | None:
    """The usage; None where nothing has been counted, which zeros alone do not say either."""
    return decode_usage(counts) if any(counts.values()) else None


def decode_usage(fields: dict[str, Any]) -> Usage:
    """Anthropic counts what goes through a cache beside `input_tokens`; who says `prompt_tokens` counts as OpenAI."""
    details = fields.get("output_tokens_details")
    extra = without(fields, _COUNTS)
    if isinstance(details, dict) and details:
        extra["output_tokens_details"] = details
    usage = decode_counts(fields, input_has_cache="input_tokens" not in fields)
    return replace(usage, extra=extra) if extra else usage

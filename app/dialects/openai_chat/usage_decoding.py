"""What OpenAI-compatible providers count, to the common form; the numbers of their own go along as they came."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from app.dialects.token_counts import COUNT_NAMES, decode_counts
from app.dialects.validation import rest
from app.messages import Usage

_KNOWN = frozenset(["prompt_tokens", "completion_tokens", "total_tokens"])


def decode_usage(counts: Mapping[str, Any]) -> Usage:
    usage, others = decode_counts(counts), rest(counts, _KNOWN)
    return replace(usage, extra=others) if others else usage


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """The usage of a chunk or a whole completion, wherever it stands; None if it has none.

    Beside the choices (OpenAI and most), in Groq's `x_groq`, in a choice (Moonshot, while it streams), or as fields of
    the body itself (Ollama's counts).
    """
    if (counts := body.get("usage")) and isinstance(counts, dict):
        return decode_usage(counts)
    groq = body.get("x_groq")
    if isinstance(groq, dict) and isinstance(counts := groq.get("usage"), dict):
        return decode_usage(counts) if counts else None
    for choice in body.get("choices") or ():
        if isinstance(choice, dict) and isinstance(counts := choice.get("usage"), dict) and counts:
            return decode_usage(counts)
    if not COUNT_NAMES.isdisjoint(body):
        return decode_counts(body)
    native = body.get("usageMetadata") or body.get("usage_metadata")
    return decode_usage(native) if isinstance(native, dict) else None

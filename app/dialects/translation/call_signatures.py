"""Gemini's signature of a tool call, on its way through a client of an API that has no place for it, and back.

Gemini 3 refuses a conversation in which the signature of a call is missing. Chat completions have it in
`extra_content`; for other clients it goes with the call's id, as every client sends ids back as they came, with the
call and with its result. It stands behind a mark, in letters that ids may have everywhere (`^[a-zA-Z0-9_-]+$`).
"""

from base64 import b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

from app.messages import ToolCall

SIGNATURE = "thought_signature"
"""Its name, wherever it stands."""
_MARK = "__signed_"
_LITELLM = "__thought__"
"""LiteLLM's mark, behind which the signature stands as it is."""
LONGEST = 32_768
"""Characters of a signature that still goes with an id; Gemini takes a filler for one that was too long."""


class SignedId(NamedTuple):
    id: str
    signature: str | None


def with_signature(call: ToolCall) -> str:
    """The id of a call for a client, with the signature behind it if there is one."""
    id, signature = call.id or "", call.thought_signature
    if not signature or len(signature) > LONGEST:
        return id
    return f"{id}{_MARK}{urlsafe_b64encode(signature.encode()).decode().rstrip('=')}"


def split(id: str) -> SignedId:
    """Undo `with_signature`."""
    before, mark, behind = id.rpartition(_MARK)
    if not mark or not behind:
        return SignedId(id, None)
    try:
        data = b64decode(behind + "=" * (-len(behind) % 4), altchars="-_", validate=True)
        return SignedId(before, data.decode())
    except ValueError:
        return SignedId(id, None)


def split_litellm(id: str | None) -> tuple[str | None, str | None]:
    """Take the signature out of an id of LiteLLM's, which puts it there for clients that lose unknown fields."""
    before, mark, signature = (id or "").partition(_LITELLM)
    return (before, signature or None) if mark else (id, None)


def signature_of(call: Any) -> str | None:
    """The signature that stands in a call of chat completions, in Google's place for it or in LiteLLM's."""
    for name in ("extra_content", "provider_specific_fields"):
        fields = call.get(name)
        inner = fields.get("google") if name == "extra_content" and isinstance(fields, dict) else fields
        found = inner.get(SIGNATURE) if isinstance(inner, dict) else None
        if isinstance(found, str) and found:
            return found
    return None


def as_extra_content(signature: str) -> dict[str, Any]:
    """Google's place for it (ai.google.dev/gemini-api/docs/thought-signatures)."""
    return {"google": {SIGNATURE: signature}}

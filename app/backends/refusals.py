"""Whose fault a provider's refusal is, by its status: the caller's, that of the gateway's key, or its own. Pure."""

from app.errors import UpstreamFailed, UpstreamRejected

CLIENT_FAULTS = frozenset({400, 404, 413, 422})
OUR_KEY = frozenset({401, 402, 403})
MESSAGE_LIMIT = 2000
"""Characters of a provider's own words that its caller reads."""


def refused(
    status: int,
    message: str,
    *,
    detail: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    code: str | None = None,
) -> UpstreamFailed:
    """`message` is the provider's, if it has one. What it says of the gateway's own key is not passed on at all."""
    if status in OUR_KEY:
        return about_our_key(status, detail)
    kind = UpstreamRejected if status in CLIENT_FAULTS else UpstreamFailed
    message = message or f"The provider answered with status {status}."
    return kind(message, upstream_status=status, detail=detail, param=param, retry_after=retry_after, code=code)


def about_our_key(status: int | None, detail: str | None) -> UpstreamFailed:
    message = f"The provider refused the gateway's credentials or account (status {status})."
    return UpstreamFailed(message, upstream_status=status, detail=detail)

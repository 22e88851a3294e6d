"""LiteLLM's exceptions to ours, in one place. What the provider itself said, by status and body, counts before what
LiteLLM made of it: it renames statuses by words it finds in a message, and calls a broken connection a 500.

Messages reach callers, so keys are blotted out of them; a provider's complaint about the gateway's own key is not
passed on at all.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import openai

from app.backends.refusals import CLIENT_FAULTS, MESSAGE_LIMIT, OUR_KEY, refused
from app.errors import (
    BackendError,
    GatewayError,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)

_OVERLOADED = 529


def translate(error: BaseException, scrub: Callable[[str], str], started: bool = False) -> GatewayError:
    """`started`: something of the stream has come already, so a lost connection has cut it short."""
    if isinstance(error, GatewayError):
        return error
    chain = list(_chain(error))
    detail = scrub(" <- ".join(f"{type(link).__name__}: {str(link)[:300]}" for link in chain[:3]))
    if answer := _http_answer(chain):
        words = scrub(_readable(_said(answer)))[:MESSAGE_LIMIT]
        return refused(answer.status_code, words, detail=detail, retry_after=_retry_after(answer.headers))
    if _any(chain, httpx.TimeoutException, openai.APITimeoutError, TimeoutError):
        return UpstreamTimeout("The provider did not answer in time.", detail=detail)
    if _any(chain, httpx.TransportError, OSError):
        # aiohttp's, under LiteLLM's transport: the head had come, the body did not.
        return _lost(started or _any(chain, aiohttp.ClientPayloadError), detail)
    return _without_answer(chain, scrub, detail)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything behind it, outermost first; a cycle ends it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        original = getattr(link, "original_exception", None)
        waiting += [original if isinstance(original, BaseException) else None, link.__cause__ or link.__context__]


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in chain)


def _http_answer(chain: list[BaseException]) -> httpx.Response | None:
    """Only httpx's own error proves an answer: LiteLLM and the SDKs make up responses for errors that had none."""
    return next((link.response for link in reversed(chain) if isinstance(link, httpx.HTTPStatusError)), None)


def _said(answer: httpx.Response) -> str:
    try:
        return answer.text
    except httpx.ResponseNotRead:
        return ""


def _readable(body: str) -> str:
    """The message in the usual places of an error body; a body of another kind (a proxy's HTML) says nothing useful."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        return ""
    error = said.get("error", said) if isinstance(said, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _lost(started: bool, detail: str) -> BackendError:
    if started:
        return UpstreamTruncated("The provider's answer stopped before its end.", detail=detail)
    return UpstreamUnreachable("The provider could not be reached.", detail=detail)


def _without_answer(chain: list[BaseException], scrub: Callable[[str], str], detail: str) -> BackendError:
    """An error in the stream, or one that LiteLLM found before it asked anybody."""
    words = scrub(_own_words(chain[-1]))[:MESSAGE_LIMIT]
    if _is_overloaded(chain[-1]):
        return UpstreamFailed(words or "The provider is overloaded.", upstream_status=_OVERLOADED, detail=detail)
    status = getattr(chain[0], "status_code", None)
    if isinstance(status, int) and status in CLIENT_FAULTS | OUR_KEY:
        return refused(status, words, detail=detail)
    return UpstreamFailed(words or "The provider reported an error.", detail=detail)


def _own_words(error: BaseException) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else str(getattr(error, "message", None) or error)


def _is_overloaded(error: BaseException) -> bool:
    """In a stream Anthropic's `overloaded_error` loses its type on the way and keeps its word."""
    said = f"{getattr(error, 'body', '')} {error}".lower()
    return "overloaded_error" in said or _own_words(error).strip().lower() == "overloaded"


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds. A date is not turned into them here: no clock, and no provider known to send one."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / scale)
        except (KeyError, ValueError):
            continue
    return None

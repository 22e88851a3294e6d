"""What a provider's refusal, a broken connection or a body that is no answer becomes: a leaf of `BackendError`.

Messages reach callers, so keys are blotted out of them, and a provider's complaint about the gateway's own key is not
passed on at all. The first bytes of a body go to `detail`, for spans and logs.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from app.backends.refusals import MESSAGE_LIMIT, OUR_KEY, about_our_key, refused
from app.errors import BackendError, UpstreamFailed, UpstreamTimeout, UpstreamTruncated, UpstreamUnreachable
from telemetry.redact import bounded

Scrub = Callable[[str], str]

_SHOWN = 500
_READ_FOR_KEYS = 4096
_STATUS_OF = {
    "api_error": 500,
    "authentication_error": 401,
    "billing_error": 402,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "request_too_large": 413,
    "server_error": 500,
    "service_unavailable": 503,
    "timeout_error": 504,
    "tokens": 429,
}
"""What the words of errors within a stream are as statuses."""
_CODE = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
_NOT_A_ROUTE = ("model", "previous response")


def shown(body: bytes, scrub: Scrub) -> str:
    """The first bytes of a body, fit for a span."""
    text = body[:_READ_FOR_KEYS].decode("utf-8", "replace")
    return bounded(scrub(text), _SHOWN)


def refusal(
    status: int, body: bytes, headers: Mapping[str, str], scrub: Scrub, now: Callable[[], float] = time.time
) -> BackendError:
    """The provider's answer with a status that is not 2xx."""
    detail = f"status {status}: {shown(body, scrub)}"
    if 300 <= status < 400:
        return UpstreamFailed("The provider answered with a redirect, which is not followed.", detail=detail)
    said = _object(body)
    error = refused(
        status,
        _worded(said, scrub),
        detail=detail,
        param=_text(_inner(said).get("param")),
        retry_after=retry_after(headers, now),
        code=_code(said),
    )
    error.no_route = _lacks_route(status, said)
    return error


def _lacks_route(status: int, said: Mapping[str, Any]) -> bool:
    """Whether there is nothing at the address, rather than no such model or no such earlier answer."""
    if status != 404:
        return status in (405, 501)
    message = _worded(said, str).lower()
    return not _inner(said).get("param") and not any(word in message for word in _NOT_A_ROUTE)


def in_band(said: dict[str, Any], scrub: Scrub) -> UpstreamFailed:
    """An error where an answer should be, with status 200: the provider took the request and failed at it."""
    status = _status_of(_inner(said))
    detail = shown(msgspec.json.encode(said), scrub)
    if status in OUR_KEY:
        return about_our_key(status, detail)
    message = _worded(said, scrub) or "The provider reported an error."
    return UpstreamFailed(message, upstream_status=status, detail=detail, code=_code(said))


def lost(error: BaseException, scrub: Scrub, begun: bool = False) -> BackendError:
    """A connection that failed. `begun`: the head of an answer had come."""
    detail = scrub(f"{type(error).__name__}: {str(error)[:300]}")
    match error:
        case TimeoutError() | asyncio.TimeoutError():
            return UpstreamTimeout("The provider could not be reached in time.", detail=detail)
        case aiohttp.InvalidURL():
            return UpstreamFailed("The gateway's address of this model is not valid.", detail=detail)
        case aiohttp.ClientResponseError() if "content-encoding" in error.message:
            return UpstreamFailed("The provider's answer has an encoding that was not asked for.", detail=detail)
        case aiohttp.ClientResponseError():
            return UpstreamFailed("The provider's answer is not HTTP.", detail=detail)
        case _ if begun:
            return UpstreamTruncated("The provider's answer stopped before its end.", detail=detail)
        case _:
            return UpstreamUnreachable("The provider could not be reached.", detail=detail)


def no_answer(why: str, body: bytes, scrub: Scrub) -> UpstreamFailed:
    """A 2xx whose body is something else than an answer; `why` completes "The provider sent ..."."""
    said = _object(body)
    if is_error(said):
        return in_band(said, scrub)
    return UpstreamFailed(f"The provider sent {why}.", detail=f"{why}: {shown(body, scrub)}")


def is_error(said: Mapping[str, Any]) -> bool:
    return bool(said.get("error")) or said.get("object") == "error" or said.get("type") == "error"


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds, however the provider says it."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        said = headers.get(name)
        if said is None:
            continue
        try:
            return max(0.0, float(said) / scale)
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(said).timestamp() - now())
        except (ValueError, OverflowError):
            continue
    return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    if isinstance(said, list) and said:
        said = said[0]
    return said if isinstance(said, dict) else {}


def _inner(said: Mapping[str, Any]) -> Mapping[str, Any]:
    error = said.get("error")
    return error if isinstance(error, dict) else said


def _worded(said: Mapping[str, Any], scrub: Scrub) -> str:
    """The message, from the usual places of an error body, with the provider's type and code behind it."""
    inner = _inner(said)
    names = ("error", "message", "detail", "Message")
    places = (inner.get("message"), *map(said.get, names), _first(said.get("errors")).get("message"))
    message = next((text for place in places if (text := _message(place))), "")
    if not message:
        return ""
    marks = [mark for name in ("type", "code") if isinstance(mark := inner.get(name), str) and mark]
    new = [mark for mark in dict.fromkeys(marks) if mark != "error" and mark not in message]
    return bounded(scrub(message + (f" ({', '.join(new)})" if new else "")), MESSAGE_LIMIT)


def _first(several: Any) -> Mapping[str, Any]:
    """Cloudflare and others before a provider have a list of errors."""
    return several[0] if isinstance(several, list) and several and isinstance(several[0], dict) else {}


def _message(place: Any) -> str:
    if isinstance(place, str):
        return place
    # FastAPI's and Mistral's: a list of what was found wrong.
    if isinstance(place, dict) and isinstance(place.get("detail"), list):
        place = place["detail"]
    if isinstance(place, list) and place:
        return msgspec.json.encode(place).decode()
    return ""


def _code(said: Mapping[str, Any]) -> str | None:
    """A word; numbers are statuses, which are known better."""
    code = _inner(said).get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _status_of(error: Mapping[str, Any]) -> int | None:
    for name in ("status_code", "status", "code"):
        said = error.get(name)
        number = int(said) if isinstance(said, str) and said.isdecimal() else said
        if isinstance(number, int) and 400 <= number < 600:
            return number
    known = (_STATUS_OF.get(str(error.get(name))) for name in ("type", "code"))
    return next((status for status in known if status), None)

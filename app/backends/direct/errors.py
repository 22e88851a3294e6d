"""What an HTTP error of a provider, a broken connection or an unexpected body becomes: a leaf of `BackendError`.

Messages reach callers, so keys are blotted out of them, and a provider's complaint about the gateway's own key is not
passed on at all. `detail` is for spans and logs: types, codes, sizes and statuses stand there, and no message of a
provider, for it may quote a prompt or a response that no policy has seen. Only a page that a proxy sent is shown.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from app.backends.error_bodies import Scrub, error_body, limit_headers
from app.backends.error_classes import (
    MESSAGE_LIMIT,
    connection_error,
    error_for_status,
    error_labels,
    is_for_clients,
    local_failure_kind,
    status_for_clients,
)
from app.backends.error_kinds import kind_of, meant_status
from app.backends.retry_waits import wait_of
from app.errors import (
    BackendError,
    LocalFailure,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.upstream_statuses import WITHOUT_ROUTE, status_of_words
from telemetry.redact import bounded

_PAGE_LIMIT = 500
_READ_FOR_KEYS = 4096
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
_LONGEST_PAGE_START = 16
_ENCODING = 100
_CODE = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
_BARE_ERROR = frozenset(
    [
        "message",
        "detail",
        "msg",
        "code",
        "status",
        "status_code",
        "statusCode",
        "success",
        "type",
        "param",
        "request_id",
    ]
)
"""The fields that make an error which does not say that it is one."""
_NOT_A_ROUTE = ("model", "previous response")


def status_error(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    scrub: Scrub,
    now: Callable[[], float] = time.time,
    *,
    names_account: bool = False,
) -> BackendError:
    """The error for a response whose status is not 2xx. `names_account`: the client's own headers named an account."""
    payload = _parse(body)
    error = _error_in(payload)
    detail = f"status {status}: {error_labels(error, scrub) or _body_summary(body, scrub)}"
    if 300 <= status < 400:
        return UpstreamFailed("The provider answered with a redirect, which is not followed.", detail=detail)
    message = _message_of(payload, scrub)
    kind = kind_of(status, error, message)
    found = error_for_status(
        status,
        message,
        detail=detail,
        param=_text(error.get("param")),
        retry_after=wait_of(meant_status(status, kind), headers, error, message, now),
        code=_code(error),
        kind=kind,
        names_account=names_account,
    )
    found.no_route = _lacks_route(status, payload)
    found.limit_headers = limit_headers(headers)
    if is_for_clients(found) and status not in WITHOUT_ROUTE:
        found.body = error_body(body, scrub, status=status_for_clients(found))
    return found


def reported_error(payload: dict[str, Any], scrub: Scrub, data: bytes = b"", event: bytes = b"") -> UpstreamFailed:
    """The error for one that stands where a response should be, with status 200: the provider took the request and
    failed at it, or found fault with it only then. `data` is its JSON as it came, and `event` the event that carried
    it."""
    error = _error_in(payload)
    message = _message_of(payload, scrub)
    status = _status_in(error)
    found = error_for_status(
        status,
        message or "The provider reported an error.",
        detail=f"an error in the place of an answer: {error_labels(error, scrub) or 'without type and code'}",
        param=_text(error.get("param")),
        retry_after=wait_of(status or 0, {}, error, message),
        code=_code(error),
        kind=kind_of(status, error, message),
    )
    if data and is_for_clients(found):
        found.body = error_body(data, scrub, event=event)
    return found


def unexpected_body(why: str, body: bytes, scrub: Scrub) -> UpstreamFailed:
    """The error for a 2xx whose body is no response; `why` completes "The provider sent ..."."""
    payload = _parse(body)
    if is_error(payload):
        return reported_error(payload, scrub, body)
    return UpstreamFailed(f"The provider sent {why}.", detail=f"{why}: {_body_summary(body, scrub)}")


def connection_lost(error: BaseException, scrub: Scrub, begun: bool = False) -> BackendError:
    """The error for a connection that failed. `begun`: the head of a response had come."""
    detail = scrub(connection_error(error))
    if (kind := local_failure_kind(error)) is not None:
        return LocalFailure(kind, detail=detail)
    match error:
        case TimeoutError() | asyncio.TimeoutError():
            return UpstreamTimeout("The provider could not be reached in time.", detail=detail)
        case aiohttp.InvalidURL():
            return UpstreamFailed("The gateway's address of this model is not valid.", detail=detail)
        case aiohttp.ClientResponseError() if "content-encoding" in error.message:
            wrong = "The provider's answer has an encoding that was not asked for."
            return UpstreamFailed(wrong, detail=scrub(error.message[:_ENCODING]))
        case aiohttp.ClientResponseError():
            return UpstreamFailed("The provider's answer is not HTTP.", detail=detail)
        case _ if begun:
            return UpstreamTruncated("The provider's answer stopped before its end.", detail=detail)
        case _:
            return UpstreamUnreachable("The provider could not be reached.", detail=detail)


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether a body or an event says that it is an error."""
    if payload.get("error") or payload.get("object") == "error" or payload.get("type") == "error":
        return True
    return is_bare_error(payload)


def is_bare_error(payload: Mapping[str, Any]) -> bool:
    """Whether it is an error without the word: a message, with a code perhaps, where an answer should be. Servers made
    with FastAPI and proxies send such."""
    if not payload or not payload.keys() <= _BARE_ERROR:
        return False
    return any(isinstance(payload.get(name), str) and payload[name] for name in ("message", "detail", "msg"))


def _body_summary(body: bytes, scrub: Scrub) -> str:
    """An unexpected body as it may stand in a span: the beginning of a page; of anything else its size and kind."""
    start = body[:_READ_FOR_KEYS].lstrip()
    if start[:_LONGEST_PAGE_START].lower().startswith(_PAGES):
        return bounded(scrub(start.decode("utf-8", "replace")), _PAGE_LIMIT)
    if not start:
        return "nothing"
    return f"{len(body)} bytes of {'JSON' if start.startswith((b'{', b'[')) else 'text'}"


def _lacks_route(status: int, payload: Mapping[str, Any]) -> bool:
    """Whether there is nothing at the address, rather than no such model or no such earlier response."""
    if status != 404:
        return status in WITHOUT_ROUTE
    message = _message_of(payload, str).lower()
    return not _error_in(payload).get("param") and not any(word in message for word in _NOT_A_ROUTE)


def _parse(body: bytes) -> dict[str, Any]:
    """The object that a body holds, or the first one in a list; empty for all else."""
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    if isinstance(payload, list) and payload:
        payload = payload[0]
    return payload if isinstance(payload, dict) else {}


def _error_in(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    error = payload.get("error")
    return error if isinstance(error, dict) else payload


def _message_of(payload: Mapping[str, Any], scrub: Scrub) -> str:
    """The message, from the usual fields of an error body, with the provider's type and code behind it."""
    error = _error_in(payload)
    names = ("error", "message", "detail", "Message", "msg")
    fields = (error.get("message"), *map(payload.get, names), _first(payload.get("errors")).get("message"))
    message = next((text for field in fields if (text := _message_text(field))), "")
    if not message:
        return ""
    words = [word for name in ("type", "code") if isinstance(word := error.get(name), str) and word]
    new = [word for word in dict.fromkeys(words) if word != "error" and word not in message]
    return bounded(scrub(message + (f" ({', '.join(new)})" if new else "")), MESSAGE_LIMIT)


def _first(several: Any) -> Mapping[str, Any]:
    """Cloudflare and other proxies before a provider send a list of errors."""
    return several[0] if isinstance(several, list) and several and isinstance(several[0], dict) else {}


def _message_text(field: Any) -> str:
    if isinstance(field, str):
        return field
    # FastAPI's and Mistral's: a list of what was found wrong.
    if isinstance(field, dict) and isinstance(field.get("detail"), list):
        field = field["detail"]
    if isinstance(field, list) and field:
        return msgspec.json.encode(field).decode()
    return ""


def _code(error: Mapping[str, Any]) -> str | None:
    """The error's code if it is a word; numbers are statuses, which are known better."""
    code = error.get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _status_in(error: Mapping[str, Any]) -> int | None:
    """The HTTP status that an error gives as a number, or that its type or code stands for."""
    for name in ("status_code", "status", "code"):
        value = error.get(name)
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, int) and 400 <= number < 600:
            return number
    return status_of_words(str(error.get(name)) for name in ("code", "type", "status"))

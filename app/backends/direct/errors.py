"""What an HTTP error of a provider, a broken connection or an unexpected body becomes: a leaf of `BackendError`.

Messages reach callers, so keys are blotted out of them, and a provider's complaint about the gateway's own key is not
passed on at all; of a page that a proxy sent, they get the title. `detail` is for spans and logs: types, codes, sizes
and statuses stand there, and no message of a provider, for it may quote a prompt or a response that no policy has seen.
Only the beginning of a page is shown, which a proxy sent: it came with an error's status, or calls itself a page. Else
it may be what a model said.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

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
from app.backends.error_reports import ErrorReport, is_error, is_page, object_in, report_in, report_of
from app.backends.retry_waits import wait_of
from app.errors import (
    BackendError,
    LocalFailure,
    ProxyFailed,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.http_client import (
    InvalidAddress,
    InvalidHeader,
    MalformedResponse,
    ProxyConnectionFailed,
    UndecodableBody,
)
from app.upstream_statuses import WITHOUT_ROUTE
from telemetry.redact import bounded

PROXY_AUTHENTICATION = 407
_PAGE_LIMIT = 500
_PAGES = frozenset({"text/html", "application/xhtml+xml", "text/xml", "application/xml"})
_READ_FOR_KEYS = 4096
_CODE = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
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
    report = report_in(body)
    detail = f"status {status}: {error_labels(report.fields, scrub) or _page(body, scrub) or _size_and_kind(body)}"
    if 300 <= status < 400:
        return UpstreamFailed("The provider answered with a redirect, which is not followed.", detail=detail)
    found = _error_for(status, report, detail, scrub, headers, now, names_account)
    found.no_route = _lacks_route(status, report)
    found.limit_headers = limit_headers(headers)
    if is_for_clients(found) and status not in WITHOUT_ROUTE:
        found.body = error_body(body, scrub, status=status_for_clients(found))
    return found


def reported_error(payload: dict[str, Any], scrub: Scrub, data: bytes = b"", event: bytes = b"") -> UpstreamFailed:
    """The error for one that stands where a response should be, with status 200: the provider took the request and
    failed at it, or found fault with it only then. `data` is its JSON as it came, and `event` the event that carried
    it."""
    found = error_of_report(report_of(payload), scrub)
    if data and is_for_clients(found):
        found.body = error_body(data, scrub, event=event)
    return found


def error_of_report(report: ErrorReport, scrub: Scrub) -> UpstreamFailed:
    """The error for a report that stands where a response should be, of which no client can have the bytes."""
    labels = error_labels(report.fields, scrub) or "without type and code"
    return _error_for(report.status, report, f"an error in the place of an answer: {labels}", scrub)


def _error_for(
    status: int | None,
    report: ErrorReport,
    detail: str,
    scrub: Scrub,
    headers: Mapping[str, str] | None = None,
    now: Callable[[], float] = time.time,
    names_account: bool = False,
) -> UpstreamFailed:
    message = bounded(scrub(report.labelled), MESSAGE_LIMIT)
    if not message and headers is None:
        message = "The provider reported an error."
    kind = kind_of(status, report.fields, *report.texts)
    return error_for_status(
        status,
        message,
        detail=detail,
        param=_text(report.fields.get("param")),
        retry_after=wait_of(meant_status(status or 0, kind), headers or {}, report.fields, message, now),
        code=_code(report.fields),
        kind=kind,
        names_account=names_account,
    )


def unexpected_body(why: str, body: bytes, scrub: Scrub, media_type: str = "") -> UpstreamFailed:
    """The error for a 2xx whose body is no response; `why` completes "The provider sent ...". The body is shown if its
    `media_type` is that of a page."""
    payload = object_in(body)
    if is_error(payload):
        return reported_error(payload, scrub, body)
    page = _page(body, scrub) if media_type in _PAGES else ""
    title = bounded(scrub(report_in(body).message), MESSAGE_LIMIT) if page else ""
    return UpstreamFailed(title or f"The provider sent {why}.", detail=f"{why}: {page or _size_and_kind(body)}")


def connection_lost(error: BaseException, scrub: Scrub, begun: bool = False) -> BackendError:
    """The error for a connection that failed. `begun`: the head of a response had come."""
    detail = scrub(connection_error(error))
    if (kind := local_failure_kind(error)) is not None:
        return LocalFailure(kind, detail=detail)
    match error:
        case ProxyConnectionFailed():
            return proxy_error(error.status, detail)
        case TimeoutError() | asyncio.TimeoutError():
            return UpstreamTimeout("The provider could not be reached in time.", detail=detail)
        case InvalidAddress():
            return UpstreamFailed("The gateway's address of this model is not valid.", detail=detail)
        case InvalidHeader():
            return UpstreamFailed("The gateway's headers for this model are not valid.", detail=detail)
        case UndecodableBody():
            return UpstreamFailed("The provider's answer is not what its encoding says.", detail=detail)
        case MalformedResponse():
            return UpstreamFailed("The provider's answer is not HTTP.", detail=detail)
        case _ if begun:
            return UpstreamTruncated("The provider's answer stopped before its end.", detail=detail)
        case _:
            return UpstreamUnreachable("The provider could not be reached.", detail=detail)


def proxy_error(status: int | None, detail: str) -> ProxyFailed:
    """The error for a proxy that did not lead to the provider; `status` is what it answered, None where it could not be
    asked."""
    if status is None:
        return ProxyFailed("The proxy on the way to the provider could not be reached.", detail=f"proxy: {detail}")
    # tinyproxy says 401 where credentials are wrong, and 407 where there are none.
    what = "asked for other credentials" if status in (401, PROXY_AUTHENTICATION) else "did not connect to it"
    message = f"The proxy on the way to the provider {what} (status {status})."
    return ProxyFailed(message, detail=f"proxy: status {status}, {detail}")


def is_of_proxy(status: int, headers: Mapping[str, str], body: bytes, *, in_absolute_form: bool) -> bool:
    """Whether an error's response is a proxy's own, and not the provider's. Through a tunnel none can be, but for what
    another proxy behind it says of itself; to a request in absolute form proxies answer with pages, and providers with
    JSON."""
    if status == PROXY_AUTHENTICATION or "error=" in headers.get("proxy-status", ""):
        return True
    return in_absolute_form and is_page(body[:_READ_FOR_KEYS].lstrip())


def _page(body: bytes, scrub: Scrub) -> str:
    """The beginning of a page; empty for anything else."""
    start = body[:_READ_FOR_KEYS].lstrip()
    return bounded(scrub(start.decode("utf-8", "replace")), _PAGE_LIMIT) if is_page(start) else ""


def _size_and_kind(body: bytes) -> str:
    """What may be told in a span of a body that may be a model's answer."""
    start = body[:_READ_FOR_KEYS].lstrip()
    if not start:
        return "nothing"
    return f"{len(body)} bytes of {'JSON' if start.startswith((b'{', b'[')) else 'text'}"


def _lacks_route(status: int, report: ErrorReport) -> bool:
    """Whether there is nothing at the address, rather than no such model or no such earlier response."""
    if status != 404:
        return status in WITHOUT_ROUTE
    message = report.labelled.lower()
    return not report.fields.get("param") and not any(word in message for word in _NOT_A_ROUTE)


def _code(error: Mapping[str, Any]) -> str | None:
    """The error's code if it is a word; numbers are statuses, which are known better."""
    code = error.get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

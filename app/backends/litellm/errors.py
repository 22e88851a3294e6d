"""LiteLLM's exceptions to ours, in one place. The provider's own status and body count before what LiteLLM made of
them: it renames statuses by words it finds in a message, and calls a broken connection a 500.

Messages reach callers, so keys are blotted out of them; a provider's complaint about the gateway's own key is not
passed on at all.
"""

import json
import re
import traceback
from collections.abc import Callable

import aiohttp
import httpx
import openai

from app.backends.error_bodies import error_body, limit_headers
from app.backends.error_classes import (
    MESSAGE_LIMIT,
    error_for_status,
    error_labels,
    is_for_clients,
    local_failure_kind,
    status_for_clients,
)
from app.backends.error_kinds import kind_of, meant_status
from app.backends.error_reports import report_in
from app.backends.retry_waits import wait_of
from app.errors import (
    BackendError,
    GatewayError,
    LocalFailure,
    ProxyFailed,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.upstream_statuses import OVERLOADED, meaning_of
from telemetry.exceptions import chain_of
from telemetry.redact import bounded

_OF_PROXIES = (httpx.ProxyError, aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)


def translate(error: BaseException, scrub: Callable[[str], str], started: bool = False) -> GatewayError:
    """The gateway's error for an exception of LiteLLM, or of a library below it. `started`: a part of the stream has
    come already, so a lost connection has truncated it."""
    if isinstance(error, GatewayError):
        return error
    chain = list(chain_of(error))
    detail = scrub(" <- ".join(type(link).__qualname__ for link in chain[:3]))
    if response := _http_response(chain):
        return _answered(response, detail, scrub)
    if any(map(_is_about_the_request, chain)):
        return UpstreamRejected(_about_the_request(chain, scrub), detail=detail)
    if (kind := local_failure_kind(error)) is not None:
        return LocalFailure(kind, detail=detail)
    if _any(chain, *_OF_PROXIES):
        return ProxyFailed("The proxy on the way to the provider did not connect to it.", detail=detail)
    if _any(chain, httpx.TimeoutException, openai.APITimeoutError, TimeoutError):
        return UpstreamTimeout("The provider did not answer in time.", detail=detail)
    if _any(chain, httpx.TransportError, OSError):
        # An error of aiohttp, under LiteLLM's transport: the head had come, the body did not.
        return _lost(started or _any(chain, aiohttp.ClientPayloadError), detail)
    return _without_response(chain, scrub, detail)


def _answered(response: httpx.Response, detail: str, scrub: Callable[[str], str]) -> UpstreamFailed:
    """The error for a response with an error status."""
    text, status = _body_text(response), response.status_code
    report = report_in(text.encode("utf-8", "replace"))
    message = bounded(scrub(report.sentence), MESSAGE_LIMIT)
    kind = kind_of(status, report.fields, *report.texts)
    found = error_for_status(
        status,
        message,
        detail=f"status {status}: {error_labels(report.fields, scrub) or 'without type and code'}; {detail}",
        retry_after=wait_of(meant_status(status, kind), response.headers, report.fields, message),
        kind=kind,
    )
    found.limit_headers = limit_headers(response.headers)
    if is_for_clients(found) and len(text) <= _LONGEST_BODY:
        found.body = error_body(text.encode("utf-8", "replace"), scrub, status=status_for_clients(found))
    return found


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in chain)


def _http_response(chain: list[BaseException]) -> httpx.Response | None:
    """Only httpx's own error proves a response: LiteLLM and the SDKs make up responses for errors that had none."""
    return next((link.response for link in reversed(chain) if isinstance(link, httpx.HTTPStatusError)), None)


def _body_text(response: httpx.Response) -> str:
    try:
        return response.text
    except httpx.ResponseNotRead:
        return ""


def _lost(started: bool, detail: str) -> BackendError:
    if started:
        return UpstreamTruncated("The provider's answer stopped before its end.", detail=detail)
    return UpstreamUnreachable("The provider could not be reached.", detail=detail)


def _without_response(chain: list[BaseException], scrub: Callable[[str], str], detail: str) -> BackendError:
    """The error for one in the stream, or one that LiteLLM found before it asked anybody."""
    # What Python says of an answer without `choices`, or of a byte where no JSON begins, tells nobody anything.
    found = [link for link in chain if not isinstance(link, _PYTHONS)]
    words = scrub(_provider_message(found[-1]))[:MESSAGE_LIMIT] if found else ""
    if _is_overloaded(chain[-1]):
        return UpstreamFailed(words or "The provider is overloaded.", upstream_status=OVERLOADED, detail=detail)
    status = getattr(chain[0], "status_code", None)
    status = status if isinstance(status, int) else None
    kind = kind_of(status, {"type": type(chain[0]).__name__}, words)
    if kind is not None or (status is not None and meaning_of(status).fault != "provider"):
        return error_for_status(status, words, detail=detail, kind=kind)
    return UpstreamFailed(words or "The provider's answer could not be understood.", detail=detail)


def _provider_message(error: BaseException) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else str(getattr(error, "message", None) or error)


def _is_overloaded(error: BaseException) -> bool:
    """Whether it is Anthropic's `overloaded_error`, which in a stream loses its type in LiteLLM and keeps its word."""
    text = f"{getattr(error, 'body', '')} {error}".lower()
    return "overloaded_error" in text or _provider_message(error).strip().lower() == "overloaded"


def _is_about_the_request(link: BaseException) -> bool:
    """Whether LiteLLM was putting the request in the provider's words, counting its tokens, or fetching what it names
    by address. Only the place where the error arose tells; LiteLLM calls it a lost connection, or a 500."""
    frames = traceback.walk_tb(link.__traceback__)
    codes = [frame.f_code for frame, _ in frames]
    return any(_REQUEST_FILES.search(code.co_filename) or _REQUEST_FUNCTIONS.search(code.co_name) for code in codes)


def _about_the_request(chain: list[BaseException], scrub: Callable[[str], str]) -> str:
    if _any(chain, httpx.TransportError, OSError):
        return "What the request names by address could not be fetched."
    return scrub(_provider_message(chain[-1]))[:MESSAGE_LIMIT] or "The request cannot be put in the provider's words."


_LONGEST_BODY = 64 * 1024
_PYTHONS = (LookupError, TypeError, AttributeError, StopIteration, StopAsyncIteration, json.JSONDecodeError)
_REQUEST_FILES = re.compile(r"litellm_core_utils/(prompt_templates/|token_counter\.py|url_utils\.py)")
_REQUEST_FUNCTIONS = re.compile(r"transform_(request|messages)|map_openai_params|convert_messages")
"""Files and functions in which LiteLLM works on nothing but the request."""

"""What a client chose of a request's head, fit for a span: what it looks like, without what may have been put into it.

A query is never told: no route of the gateway reads more of one than a few words, and people put keys and texts there.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from opentelemetry.trace import Span

from telemetry.names.spans import Attribute
from telemetry.redact import bounded, scrub
from telemetry.traces.span_shapes import AttributeSet

_WORD = re.compile(r"[a-z]{1,20}(?:_[a-z]{1,20}){0,3}|v\d{1,2}")
_SEGMENTS = 6
_PRODUCT = re.compile(r"(?<![^\s])[A-Za-z][A-Za-z0-9_.-]{0,39}/\d[0-9A-Za-z.+-]{0,23}(?![^\s])")
_PRODUCTS = 4
LONGEST_HEADER = 1024
"""Characters of a header, or of a path, that are looked at."""
_ELSE = "{…}"
_QUERY = "url.query"
REQUEST_ID = "flowspan.request_id"
"""The key of an ASGI scope under which a request that is no transaction has its id."""
_RESEND_HEADERS = (("x-stainless-retry-count", 0), ("x-envoy-attempt-count", 1))
"""The name of a header, and its value on a first try."""
_LONGEST_COUNT = 6


class RequestHead(Struct, frozen=True):
    """What telemetry makes of a request's head: the same for all that come with the same one."""

    name: str
    """The name of the transaction's span."""
    attributes: AttributeSet
    """The attributes of its span that are known from the head."""
    log_fields: Mapping[str, object]
    """The fields of the access line that are known from the head."""
    generation: int
    """The configuration's."""


class HttpRequest(Struct, eq=False):
    """The head of a request. `route` is the path as the application declares it, `headers` have lower-case names. It
    may be kept, and given again for the next request that comes with the same head."""

    method: str
    route: str
    headers: Mapping[str, str]
    scheme: str = "http"
    http_version: str | None = None
    server: tuple[str | None, int | None] = (None, None)
    client_address: str | None = None
    client_subject: str | None = None
    """The subject of the certificate that the client has shown, verified."""
    made: RequestHead | None = None
    """What telemetry has made of it, once it was given."""


def resend_count(headers: Mapping[str, str]) -> int | None:
    """How often a caller had sent the same request before, as its headers say; None for a first try, and where nobody
    says. The SDKs of OpenAI and Anthropic send `x-stainless-retry-count`, from 0 on; Envoy counts the tries of its own
    by `x-envoy-attempt-count`, from 1 on."""
    for name, first in _RESEND_HEADERS:
        text = headers.get(name)
        if text and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_COUNT:
            return max(0, int(text) - first) or None
    return None


def path_shape(path: str) -> str:
    """The first few segments of a path; one that is neither a plain word nor a version becomes `{…}`."""
    parts = path[:LONGEST_HEADER].split("/")[1:]
    segments = [part if not part or _WORD.fullmatch(part) else _ELSE for part in parts[:_SEGMENTS]]
    return "/" + "/".join(segments + [_ELSE] * (len(parts) > _SEGMENTS))


def products_of(user_agent: str) -> str:
    """The products of a User-Agent header with their versions alone, as in `openai/2.54.0 python/3.11.7`."""
    return bounded(scrub(" ".join(_PRODUCT.findall(user_agent[:LONGEST_HEADER])[:_PRODUCTS])), 256)


def restrict_http_attributes(span: Span, scope: dict[str, Any]) -> None:
    """Rewrite what OpenTelemetry's instrumentation took from the head as it came to what may be recorded."""
    if not span.is_recording():
        return
    headers = dict(scope.get("headers") or ())
    span.set_attribute(Attribute.URL_PATH, path_shape(str(scope.get("path", ""))))
    if b"user-agent" in headers:
        span.set_attribute(Attribute.USER_AGENT, products_of(headers[b"user-agent"].decode("latin-1")))
    if REQUEST_ID in scope:
        span.set_attribute(Attribute.REQUEST_ID, scope[REQUEST_ID])
    if scope.get("query_string"):
        span.set_attribute(_QUERY, "")

"""What telemetry makes of a request's head: the same for all requests that come with the same one, and made once.

Clients send the same head again and again. What differs in each request (ids, keys, lengths) is not among it.
"""

from functools import lru_cache

from telemetry.names.spans import Attribute, Value
from telemetry.traces.http import LONGEST_HEADER, HttpRequest, RequestHead, products_of, resend_count
from telemetry.traces.span_shapes import AttributeSet

_KEPT = 256
"""Heads. Their texts may be as long as `LONGEST_HEADER`."""


def head_of(request: HttpRequest, text_limit: int, generation: int) -> RequestHead:
    """The head of a transaction's request, made for the first one that comes with it. No text of the client's in it is
    longer than `text_limit` characters; `generation` is the configuration's."""
    made = request.made
    if made is not None and made.generation == generation:
        return made
    headers = request.headers
    request.made = made = _head(
        request.method,
        request.route,
        request.scheme,
        request.http_version,
        request.server,
        request.client_address,
        request.client_subject,
        headers.get("user-agent", "")[:LONGEST_HEADER],
        resend_count(headers),
        text_limit,
        generation,
    )
    return made


@lru_cache(_KEPT)
def _head(
    method: str,
    route: str,
    scheme: str,
    http_version: str | None,
    server: tuple[str | None, int | None],
    client_address: str | None,
    client_subject: str | None,
    user_agent: str,
    resends: int | None,
    text_limit: int,
    generation: int,
) -> RequestHead:
    products = products_of(user_agent)[:text_limit] or None
    subject = client_subject[:text_limit] if client_subject else None
    attributes: dict[str, Value | None] = {
        Attribute.HTTP_METHOD: method,
        Attribute.URL_PATH: route,
        Attribute.URL_SCHEME: scheme,
        Attribute.HTTP_ROUTE: route,
        Attribute.SERVER_ADDRESS: server[0],
        Attribute.SERVER_PORT: server[1],
        Attribute.CLIENT_ADDRESS: client_address,
        Attribute.CLIENT_SUBJECT: subject,
        Attribute.PROTOCOL_VERSION: http_version,
        Attribute.CLIENT_RETRY: resends,
        Attribute.USER_AGENT: products,
        Attribute.CONFIG_GENERATION: generation,
    }
    fields: dict[str, object] = {
        "resend_count": resends,
        "method": method,
        "route": route,
        "client_address": client_address,
        "config_generation": generation,
    }
    if subject is not None:
        fields["client_subject"] = subject
    if products is not None:
        fields["user_agent"] = products
    return RequestHead(f"{method} {route}", AttributeSet(attributes), fields, generation)

"""The query that a client sent behind a path, as it goes on to a provider of the client's dialect. Pure."""

from collections.abc import Iterator
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

_SECRETS = frozenset({"access_token", "api-key", "api_key", "apikey", "code", "key", "token", "x-api-key"})
"""Names under which some put a credential into an address. A provider logs addresses, and the key is the gateway's."""
_LEGAL = "!$'()*+,-./:;=?@_~%"
"""Characters of a query that stand for themselves (RFC 3986, section 3.4), with the sign of those that are encoded."""


def with_query(url: str, query: str) -> str:
    """`url` with the client's `query` behind its own: part for part as it was sent, but for parameters that the URL has
    already, which are the operator's, and for those whose name says that they hold a credential."""
    if not query:
        return url
    parts = urlsplit(url)
    set_already = {_name(part) for part in _parts(parts.query)}
    added = [quote(part, safe=_LEGAL) for part in _parts(query) if _name(part) not in _SECRETS | set_already]
    return urlunsplit(parts._replace(query="&".join([*_parts(parts.query), *added])))


def _parts(query: str) -> Iterator[str]:
    return (part for part in query.split("&") if part)


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0]).lower()

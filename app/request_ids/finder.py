"""All ids of a request, each from the first of its sources that has one.

Most requests have none of them, and this is done for each: which of the headers and fields that hold ids are there at
all is found out first, for all ids together, and only a source that is there is looked into.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from app.request_ids.conversations import Conversations
from app.request_ids.request import IdCarrier
from app.request_ids.sources import PREVIOUS_RESPONSE_ID, Getter, Kind, Source, parse_conversation_source, parse_source
from app.settings import TelemetrySettings
from telemetry.names.spans import Attribute

_CONVERSATION, _USER = Attribute.CONVERSATION, Attribute.USER
_ACCOUNT = ("body:metadata.user_id/account_uuid", "header:chatgpt-account-id")
_AGENT = ("header:x-claude-code-agent-id", "header:thread-id", "header:thread_id", "baggage:gen_ai.agent.id")
_PARENT = ("header:x-claude-code-parent-agent-id", "header:x-codex-parent-thread-id")
_CLIENT_REQUEST = ("header:x-client-request-id", "header:x-request-id")
_PREVIOUS = (f"body:{PREVIOUS_RESPONSE_ID}",)

_Groups = tuple[tuple[str, tuple[tuple[bool, str | None, Getter], ...]], ...]
"""Names, each with the sources that may have its value, the preferred first: whether it is a header or a field of the
body that has to be there, its name, None for a source that is always there, and the function that has the value."""


class FoundIds(NamedTuple):
    """What a request says of whose it is, as it came: `ids` by the names of their attributes, and `attributes` by the
    names that the operator gave them."""

    ids: Mapping[str, str]
    attributes: Mapping[str, str]


class Finder:
    """Finds the ids of requests, as the settings say. Made once. Raises BadSource for settings that are no sources."""

    def __init__(self, settings: TelemetrySettings, conversations: Conversations) -> None:
        conversation = [parse_conversation_source(one, conversations) for one in settings.conversation_from]
        ids = {
            Attribute.USER: _sources(settings.user_from),
            Attribute.ACCOUNT: _sources(_ACCOUNT),
            Attribute.AGENT: _sources(_AGENT),
            Attribute.PARENT_AGENT: _sources(_PARENT),
            Attribute.CLIENT_REQUEST: _sources(_CLIENT_REQUEST),
            Attribute.PREVIOUS_RESPONSE: _sources(_PREVIOUS),
            Attribute.CONVERSATION: conversation,
        }
        attributes = {name: [parse_source(source)] for name, source in settings.attributes.items()}
        every = [source for group in (ids, attributes) for sources in group.values() for source in sources]
        self._headers = frozenset(source.name for source in every if source.kind == "header")
        self._fields = frozenset(source.name for source in every if source.kind == "body")
        self._by_kinds = {
            (headers, fields, baggage): (
                _groups(ids, headers, fields, baggage),
                _groups(attributes, headers, fields, baggage),
            )
            for headers in (False, True)
            for fields in (False, True)
            for baggage in (False, True)
        }

    def find(
        self,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        *,
        beginning: Mapping[str, Any] | None = None,
        caller: str = "",
    ) -> FoundIds:
        """The ids of a request with these headers, under lower-case names, and these fields of its body. `beginning` is
        its whole body, if it is part of a conversation: a fingerprint is made of that, for this `caller` and user."""
        kinds = (
            not self._headers.isdisjoint(headers),
            not self._fields.isdisjoint(body),
            "baggage" in headers,
        )
        ids, attributes = self._by_kinds[kinds]
        request = IdCarrier(headers, body, beginning, caller)
        found: dict[str, str] = {}
        for name, sources in ids:
            if name == _CONVERSATION and _USER in found:
                request.scope = f"{caller} {found[_USER]}"
            for is_header, key, get in sources:
                if (key is None or key in (headers if is_header else body)) and (value := get(request)):
                    found[name] = value
                    break
        if not attributes:
            return FoundIds(found, {})
        return FoundIds(found, {name: value for name, ((_, _, get),) in attributes if (value := get(request))})


def _sources(texts: Iterable[str]) -> list[Source]:
    return [parse_source(text) for text in texts]


def _groups(sources: Mapping[str, Iterable[Source]], headers: bool, fields: bool, baggage: bool) -> _Groups:
    """The groups with those of their sources that a request may have which has such headers, fields, and baggage."""
    has: dict[Kind, bool] = {"header": headers, "body": fields, "baggage": baggage, "fingerprint": True}
    groups = ((name, tuple(_looked_for(one) for one in group if has[one.kind])) for name, group in sources.items())
    return tuple(group for group in groups if group[1])


def _looked_for(source: Source) -> tuple[bool, str | None, Getter]:
    match source.kind:
        case "baggage":
            return True, "baggage", source.get
        case "fingerprint":
            return False, None, source.get
    return source.kind == "header", source.name, source.get

"""Which fields of requests and responses hold text that a model or a client reads, and how each text is changed.

A field is known by its name, where needed with the `type` of its object, or the field that this object stands in, in
front. One that is not listed holds text: what nobody has looked at is read by the policies. Words, identifiers and data
are taken for such only as long as they look like it, so a sentence where an id belongs is a text, too.
"""

import re
from collections.abc import Callable, Container, Mapping
from functools import cache
from types import NoneType
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
Change = Callable[[str], str]
FieldKind = Literal["text", "symbol", "secret", "opaque"]
"""`symbol`: a word of the API or an identifier. `secret`: what the provider needs as it is to reach somebody else, and
no model reads. `opaque`: data that no policy can read."""
Opaque = Literal["pass", "refuse", "drop"]

_SYMBOL = re.compile(r"[\w.:/+=~,#%$-]*", re.ASCII)
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-\r\n"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Fields of all dialects, as `field`, `type.field` or `parent.field`. A test holds the lists against the types of the
# official SDKs, so that a new field is on one of them before a new version of an SDK is taken.
SYMBOLS = _names(
    """
    type role id object status mode index media_type mime_type detail effort finish_reason stop_reason service_tier
    model recommended_model system_fingerprint fingerprint encoding_format size version voice betas obfuscation
    call_id tool_call_id tool_use_id item_id file_id file_ids container_id caller_id tool_id tab_id download_id skill_id
    approval_request_id tunnel_id previous_response_id previous_message_id response_id prompt_cache_key conversation
    container vector_store_ids workspace_id user_profile_id
    created created_at retrieved_at expires_at page_age inference_geo dialect field
    """
)
SECRETS = _names(
    """
    authorization authorization_token fallback_credit_token remove_to_redeem fallback_credit_token.token
    headers domain_secrets.value
    """
)
OPAQUE = _names(
    """
    image.data document.data base64.data input_audio.data audio.data inline.data redacted_thinking.data file_data
    source.data embedding b64_json partial_image_b64 image_generation_call.result
    signature thought_signature encrypted_content encrypted_index encrypted_stdout tokens.tokens
    response.audio.delta.delta
    """
)
TEXTS = _names(
    """
    content text refusal thinking reasoning_content reasoning transcript delta partial_json
    system instructions prompt suffix input output stop stop_sequences stop_sequence
    arguments code commands command diff patch stdout stderr logs result error error_message message lines
    queries query pattern path working_directory env keys key value attributes filters
    name names namespace server_label server_name server_description server_url mcp_server_name tool_name toolset_name
    tool_names allowed_tools exclude_tools clear_tool_inputs tools
    description parameters input_schema output_schema schema properties required input_examples definition annotations
    annotation title context document_title cited_text source url image_url file_url filename domain allowed_domains
    blocked_domains
    user user_id safety_identifier metadata variables created_by bill_to
    city country region timezone
    explanation reason trigger category param token tokens text.data
    """
)
_TABLE: Mapping[str, FieldKind] = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys(SYMBOLS, "symbol"),
    **dict.fromkeys(SECRETS, "secret"),
    **dict.fromkeys(OPAQUE, "opaque"),
}
_QUALIFIED = frozenset(known.rpartition(".")[2] for known in _TABLE if "." in known)
"""Names that mean something else in some objects."""
_MAY_BE_SECRET = SECRETS | {known.rpartition(".")[2] for known in SECRETS}
_MAY_BE_OPAQUE = OPAQUE | {known.rpartition(".")[2] for known in OPAQUE}
"""Names of what is so in some objects at least."""
FREE = frozenset(
    {"input", "arguments", "variables", "metadata", "input_examples", "default", "const", "example", "examples"}
)
"""Fields whose objects a client or a model made up: no name in them means anything."""
_NOT_READ = frozenset({"native", "body", "caller", "headers", "model", "dialect", "operation"})
"""Fields of structs that no model reads; `native` and `body` of a request are what it was decoded from."""
_ALONE = ("encrypted_content", "thought_signature")
"""Opaque data without which the object that it is in says as much as it does with it."""
_DIGITS = 7
"""A number of fewer digits identifies nobody."""
_NO_TEXT_IF_FREE = frozenset({NoneType, bool, float})
_NO_TEXT = _NO_TEXT_IF_FREE | {int}
"""Types of values that hold no text; where a field is free, a number may identify somebody."""


def kind_of(name: str, *around: str) -> FieldKind:
    """What a field holds. `around`: the type of the object that it is in, and the field that this object is in."""
    if name in _QUALIFIED:
        for one in around:
            if one and (known := _TABLE.get(f"{one}.{name}")):
                return known
    return _TABLE.get(name, "text")


def is_symbol(text: str) -> bool:
    """Whether a text looks like a word of the API or an identifier."""
    return _SYMBOL.fullmatch(text) is not None


class Dropped(Exception):
    """Raised through the object or part that holds opaque data, where such are to be left out."""


class TextMap:
    """Applies `change` to the texts of a value, and `change_json` to those that are JSON by their field. What has
    nothing to change comes back as the same object. `opaque` counts what could not be read, by its kind."""

    def __init__(self, change: Change, change_json: Change | None = None, *, drop_opaque: bool = False) -> None:
        self.opaque: dict[str, int] = {}
        self._change = change
        self._change_json = change_json or change
        self._drop = drop_opaque

    def apply(self, value: T) -> T:
        """Return the value with its texts changed. Raises `Dropped` where all of it is opaque data to be left out."""
        changed: T = self.value(value)
        return changed

    def value(self, value: Any, name: str = "", parent: str = "", around: str = "", free: bool = False) -> Any:
        """Change a value of any type. `name` is the field that it is in, `parent` the type of that field's object, and
        `around` the field that the object is in. Raises `Dropped`."""
        if isinstance(value, str):
            return self._string(value, name, parent, around, free) if value else value
        if isinstance(value, dict):
            if not free and name in _MAY_BE_SECRET and kind_of(name, parent, around) == "secret":
                return value
            # What sort of data it is stands beside the data.
            media = value.get("media_type")
            return self._object(value, media if isinstance(media, str) else name, free or name in FREE)
        if isinstance(value, list | tuple):
            return self._list(value, name, parent, around, free)
        if isinstance(value, Struct):
            return self._struct(value, name)
        if free and type(value) is int and len(text := str(value)) >= _DIGITS:
            changed = self._change(text)
            return value if changed == text else changed
        return value

    def fields(self, extra: dict[str, Any]) -> dict[str, Any]:
        """Change fields that are independent of each other: one that is opaque data is left out alone."""
        if not extra:
            return extra
        kind = extra.get("type")
        return self._object(extra, "", False, () if kind and isinstance(kind, str) else extra)

    def _string(self, text: str, name: str, parent: str, around: str, free: bool) -> str:
        kind = "text" if free else kind_of(name, parent, around)
        if kind == "secret" or (kind == "symbol" and _SYMBOL.fullmatch(text)):
            return text
        # What is neither declared as data nor written as such is no data.
        if (kind == "opaque" or text.startswith("data:")) and (data := opaque_kind(text, name, parent, around, kind)):
            self._found(data)
            return text
        return self._changed(text, name in ("arguments", "partial_json"))

    def _changed(self, text: str, is_json: bool = False) -> str:
        """The changed text; the same object if nothing changed."""
        changed = self._change_json(text) if is_json else self._change(text)
        return text if changed == text else changed

    def _found(self, kind: str) -> None:
        self.opaque[kind] = self.opaque.get(kind, 0) + 1
        if self._drop:
            raise Dropped

    def _object(self, value: dict[str, Any], around: str, free: bool, alone: Container[str] = _ALONE) -> dict[str, Any]:
        """`alone`: fields whose opaque data can be left out without the rest."""
        kind = value.get("type")
        parent = kind if isinstance(kind, str) else ""
        no_text = _NO_TEXT_IF_FREE if free else _NO_TEXT
        changes: dict[str, tuple[str, Any] | None] = {}
        for key, inner in value.items():
            is_name = not free and (key in _TABLE or _SYMBOL.fullmatch(key))
            new_key = key if is_name else self._changed(key)
            try:
                new = inner if type(inner) in no_text else self.value(inner, key, parent, around, free)
            except Dropped:
                if key not in alone:
                    raise
                changes[key] = None
                continue
            if new is not inner or new_key is not key:
                changes[key] = (new_key, new)
        if not changes:
            return value
        now = [changes.get(key, (key, inner)) for key, inner in value.items()]
        return dict([field for field in now if field is not None])

    def _list(self, value: list[Any] | tuple[Any, ...], name: str, parent: str, around: str, free: bool) -> Any:
        is_opaque = not free and name in _MAY_BE_OPAQUE and kind_of(name, parent, around) == "opaque"
        if is_opaque and all(type(one) is int for one in value):
            self._found("tokens")
            return value
        # A list of items, whereas the input of a call is an object of the model's own making.
        within = "" if name == "input" else name
        no_text = _NO_TEXT_IF_FREE if free else _NO_TEXT
        is_tuple, same = isinstance(value, tuple), True
        changed: list[Any] = []
        for inner in value:
            try:
                new = inner if type(inner) in no_text else self.value(inner, within, parent, around, free)
            except Dropped:
                same = False
                continue
            if new is None and is_tuple:
                same = False
                continue
            same = same and new is inner
            changed.append(new)
        return value if same else type(value)(changed)

    def _struct(self, value: Struct, name: str) -> Any:
        parent, fields = _fields_of(type(value))
        changed: dict[str, Any] = {}
        for field in fields:
            inner = getattr(value, field)
            if not inner or type(inner) in _NO_TEXT:
                continue
            try:
                if field == "extra":
                    new: Any = self.fields(inner)
                elif field == "arguments" and getattr(value, "extra", {}).get("type") == "custom":
                    new = self._changed(inner)
                else:
                    new = self.value(inner, field, parent, name)
            except Dropped:
                # What is no item of a list is left out by itself.
                if name and field not in _ALONE:
                    raise
                new = None
            if new is not inner:
                changed[field] = new
        return value if not changed else _without_stale(value, changed)


@cache
def _fields_of(kind: type[Struct]) -> tuple[str, tuple[str, ...]]:
    """The `type` by which structs of this kind are known, and the names of their fields that may hold text."""
    tag = kind.__struct_config__.tag
    return tag if isinstance(tag, str) else "", tuple(f for f in kind.__struct_fields__ if f not in _NOT_READ)


def _without_stale(value: Struct, changed: dict[str, Any]) -> Any:
    """The struct with its changes, or None if nothing of it can be sent: a signature holds only for thinking as it
    was, and a message of which nothing is left is none."""
    if "thinking" in changed and getattr(value, "signature", None):
        return None
    if "parts" in changed and not changed["parts"]:
        return None
    return msgspec.structs.replace(value, **changed)


def opaque_kind(text: str, name: str, parent: str, around: str, kind: FieldKind) -> str | None:
    """What sort of data a text is; None for one that can be read."""
    head, comma, data = text.partition(",") if text.startswith("data:") else ("", "", text)
    if kind != "opaque" and not (comma and head.endswith(";base64")):
        return None
    if data.encode(errors="replace").translate(None, _BASE64):
        return None
    words = f"{head} {name} {parent} {around}"
    for sort, marks in _SORTS.items():
        if any(mark in words for mark in marks):
            return sort
    return "file"


_SORTS = {
    "encrypted": ("encrypted", "signature", "redacted_thinking"),
    "image": ("image",),
    "audio": ("audio",),
}

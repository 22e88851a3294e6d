"""A provider's error, wherever in its body or event it stands: the one home of what such reports look like. Pure.

Each API has its own place for the words, and so has each framework, cloud and proxy before it. Whatever was sent
becomes one `ErrorReport`. Whether a body is an error at all is asked here, too: one that holds an answer is none,
unless a field says so that only failures fill.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from app.backends.error_kinds import is_rate_limit
from app.upstream_statuses import RATE_LIMITED, status_of_words

_MESSAGES = (
    *("message", "Message", "msg", "error_msg", "error_message", "errorMessage", "status_msg", "originalMessage"),
    *("detail", "error", "errors", "faultstring", "title"),
)
"""The fields in which an error has its words, the likeliest first."""
_TEXTS = frozenset({"message", "Message", "msg", "error_msg", "error_message", "errorMessage", "detail"})
_BARE_MESSAGES = [name for name in _MESSAGES if name in _TEXTS]
_CODES = ("code", "error_code", "errorCode", "status_code")
_TYPES = ("type", "error_type", "errorType", "__type")
_EXPLICIT = frozenset({"errors", "error_msg", "error_message", "errorMessage", "error_code", "errorCode", "__type"})
"""Fields that only errors fill."""
_BARE = _TEXTS | {
    *("code", "status", "status_code", "statusCode", "success", "type", "param", "title", "instance", "path"),
    *("request_id", "requestId", "trace_id", "timestamp", "id", "object", "created", "model"),
}
"""The fields that make an error which does not say that it is one."""
_ANSWERS = ("choices", "content", "output", "delta", "item", "part", "response", "content_block", "data", "result")
"""Fields by which it is seen that something is an answer, or a piece of one."""
_WORDS = _EXPLICIT | _TEXTS
_SIGNS = _WORDS | {"error", "object", "base_resp", "choices"}
"""What has none of these fields is an error by its type or its name alone."""
_GOOD_WORDS = frozenset({"success", "succeeded", "ok"})
_NAMES_AN_ERROR = re.compile(r"(exception|error|fault)$", re.IGNORECASE)
_MINIMAX: Mapping[int, str] = {
    1001: "timeout_error",
    1002: "rate_limit_exceeded",
    1004: "authentication_error",
    1008: "insufficient_balance",
    1026: "content_filter",
    1027: "content_filter",
    1039: "rate_limit_exceeded",
    2013: "invalid_request_error",
    2049: "invalid_api_key",
    2056: "usage_limit_reached",
}
"""MiniMax's numbers: platform.minimax.io/docs/api-reference/errorcode."""
_BAIDU: Mapping[int, str] = {
    2: "service_unavailable",
    4: "rate_limit_exceeded",
    6: "permission_error",
    13: "authentication_error",
    14: "authentication_error",
    17: "rate_limit_exceeded",
    18: "rate_limit_exceeded",
    19: "insufficient_quota",
    100: "authentication_error",
    110: "authentication_error",
    111: "authentication_error",
}
"""Baidu's: ai.baidu.com/ai-doc/WENXINWORKSHOP/tlmyncueh."""
_GOOD_NUMBERS = (None, 0, "0", 200, "200")
_MOST_OF_A_LIST = 5
_DEEPEST = 4
_PAGES = ("<!doctype html", "<html", "<?xml")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,1000})", re.IGNORECASE)
_LOOKED_AT = 4096
"""Bytes of a page."""
_LONGEST_TITLE = 200


class ErrorReport(NamedTuple):
    """What a provider says of its failure. No key has been blotted out of it yet."""

    fields: Mapping[str, Any]
    """The object that describes the error, with its code and type under these names."""
    message: str = ""
    """Its words; empty where there are none."""
    behind: str = ""
    """The words of the provider behind a router, where those of the router are others."""
    status: int | None = None
    """The HTTP status that it names, or that its words stand for."""

    @property
    def texts(self) -> tuple[str, ...]:
        return self.message, self.behind

    @property
    def sentence(self) -> str:
        """All of its words."""
        if not self.message or self.behind in self.message:
            return self.message or self.behind
        return f"{self.message}: {self.behind}"

    @property
    def labelled(self) -> str:
        """All of its words, with the provider's type and code behind them."""
        sentence = self.sentence
        found = [word for name in ("error", "type", "code") if isinstance(word := self.fields.get(name), str) and word]
        new = [word for word in dict.fromkeys(found) if word != "error" and word not in sentence]
        return sentence + (f" ({', '.join(new)})" if new and sentence else "")


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether a body or an event reports a failure."""
    get = payload.get
    if get("type") == "error":
        return True
    if payload.keys().isdisjoint(_SIGNS):
        return len(payload) == 1 and _exception(payload) is not None
    if get("error") or get("object") == "error":
        return True
    if "base_resp" in payload and _minimax(payload) is not None:
        return True
    if choices := get("choices"):
        return _failed_choice(choices) is not None
    if payload.keys().isdisjoint(_WORDS):
        return False
    if any(map(get, _EXPLICIT)):
        return not any(map(get, _ANSWERS))
    return _is_bare(payload) or _exception(payload) is not None


def _is_bare(payload: Mapping[str, Any]) -> bool:
    """Whether it is an error without the word: a message, with a code perhaps, where an answer should be. Servers made
    with FastAPI and proxies send such. What is empty says nothing."""
    for name, value in payload.items():
        if value and name not in _BARE:
            return False
    if payload.get("success") is True or payload.get("error") is False:
        return False
    for name in _BARE_MESSAGES:
        value = payload.get(name)
        # An object under such a name is a message of a conversation.
        if value and isinstance(value, str | list) and (text := _text(value)):
            return text.lower() not in _GOOD_WORDS
    return False


def report_of(payload: Mapping[str, Any]) -> ErrorReport:
    """The report in something that is known to be an error."""
    error = _described(payload)
    fields = _with_usual_names(error)
    message = _text(error) or _text(payload)
    behind = _behind(error)
    status = _status_in(fields)
    if status is None and error is not payload:
        status = _number_in(payload)
    if status is None and any(map(is_rate_limit, (message, behind))):
        status = RATE_LIMITED
    return ErrorReport(fields, message, behind if behind != message else "", status)


def report_in(body: bytes) -> ErrorReport:
    """The report in the body of an error, or in the data of an event that is named so: JSON, the title of a page, or
    plain text."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _report_of_page(body) if is_page(body) else _report_of_text(body.decode("utf-8", "replace"))
    if isinstance(decoded, str):
        return _report_of_text(decoded)
    return report_of(first_object(decoded) or {})


def object_in(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, or the first one of a list; empty for all else."""
    try:
        return first_object(msgspec.json.decode(data)) or {}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def first_object(decoded: Any) -> dict[str, Any] | None:
    """The object itself, or the first one of a list of them, as Gemini sends; None for anything else."""
    first = decoded[0] if isinstance(decoded, list) and decoded else decoded
    return first if isinstance(first, dict) else None


def is_page(body: bytes) -> bool:
    """Whether a body begins as a page of a proxy does."""
    return body[:_LOOKED_AT].decode("utf-8", "replace").lstrip().lower().startswith(_PAGES)


def _report_of_page(body: bytes) -> ErrorReport:
    title = _TITLE.search(body[:_LOOKED_AT].decode("utf-8", "replace"))
    words = _line(html.unescape(title[1]))[:_LONGEST_TITLE] if title else ""
    return ErrorReport({}, f"The provider sent a page: {words}" if words else "")


def _report_of_text(text: str) -> ErrorReport:
    text = text.strip()
    if text.startswith(("{", "[", "<")) or "\ufffd" in text or not _line(text).isprintable():
        # It was meant for a program, or is damaged.
        return ErrorReport({})
    return ErrorReport({}, text, status=RATE_LIMITED if is_rate_limit(text) else None)


def _described(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that describes the error: the payload itself where none within does."""
    error = payload.get("error")
    if isinstance(error, dict) and error:
        return error
    if not error:
        for found in (_minimax(payload), _failed_choice(payload.get("choices")), _exception(payload)):
            if found is not None:
                return found
    several = payload.get("errors")
    if isinstance(several, list) and several and isinstance(several[0], dict) and not _text(payload.get("message")):
        return several[0]
    return payload


def _minimax(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """MiniMax has a status of its own in each body, be it good; the numbers mean nothing to anybody else."""
    status = payload.get("base_resp")
    if not isinstance(status, dict) or (code := status.get("status_code")) in _GOOD_NUMBERS:
        return None
    return {"message": status.get("status_msg"), "code": _word(_MINIMAX, code)}


def _failed_choice(choices: Any) -> dict[str, Any] | None:
    """OpenRouter's: an error in the choice that it is about."""
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and (error := choice.get("error")):
            return error if isinstance(error, dict) else {"message": error}
    return None


def _exception(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Amazon's event streams, and gateways before APIs: one field that is named as the error is."""
    if len(payload) != 1:
        return None
    ((name, error),) = payload.items()
    if not (isinstance(error, dict) and _NAMES_AN_ERROR.search(name) and _text(error)):
        return None
    return {"type": name[:1].upper() + name[1:], **error}


def _with_usual_names(error: Mapping[str, Any]) -> Mapping[str, Any]:
    found = dict(error)
    for usual, names in (("code", _CODES), ("type", _TYPES)):
        if not found.get(usual) and (other := next((error[name] for name in names if error.get(name)), None)):
            found[usual] = other
    if "error_code" in error:
        found["code"] = _word(_BAIDU, found.get("code"))
    if isinstance(kind := error.get("__type"), str):
        # Amazon's, between the name of its service and an address.
        found["type"] = kind.rpartition("#")[2].partition(":")[0]
    return found


def _word(words: Mapping[int, str], code: Any) -> Any:
    number = int(code) if isinstance(code, str) and code.isdecimal() and len(code) < 10 else code
    return words.get(number, code) if isinstance(number, int) else code


def _text(value: Any, depth: int = _DEEPEST) -> str:
    """The words in a field of an error."""
    if isinstance(value, str):
        return value.strip()
    if depth and isinstance(value, list):
        return "; ".join([text for one in value[:_MOST_OF_A_LIST] if (text := _text(one, depth - 1))])
    if depth and isinstance(value, Mapping):
        text = next((text for name in _MESSAGES if name in value and (text := _text(value[name], depth - 1))), "")
        # FastAPI's: which field of the request it is about.
        where = value.get("loc")
        return f"{'.'.join(map(str, where))}: {text}" if text and isinstance(where, list) and where else text
    return ""


def _behind(error: Mapping[str, Any]) -> str:
    """What a router passes on of the provider's error behind it: OpenRouter's `metadata.raw`."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if isinstance(raw, str) and (found := report_in(raw.encode("utf-8", "replace"))).message:
        return found.message
    return _text(raw)


def _status_in(error: Mapping[str, Any]) -> int | None:
    """The HTTP status that an error gives as a number, or that its type or code stands for."""
    number = _number_in(error)
    return number or status_of_words(str(error.get(name)) for name in ("code", "type", "status"))


def _number_in(fields: Mapping[str, Any]) -> int | None:
    return next((number for value in _numbers(fields) if 400 <= (number := int(value)) < 600), None)


def _numbers(fields: Mapping[str, Any]) -> Iterator[int | str]:
    for name in ("status_code", "statusCode", "status", "code", "originalStatusCode"):
        value = fields.get(name)
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and len(value) == 3):
            yield value


def _line(text: str) -> str:
    return " ".join(text.split())

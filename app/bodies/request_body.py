"""A request body's bytes, in; a dict, out. One decision about every doubtful JSON, taken here and nowhere else.

| doubt                          | decision                                                                        |
| ------------------------------ | ------------------------------------------------------------------------------- |
| duplicate keys                 | the last one counts; what goes on to a provider is encoded anew, so all agree   |
| NaN, Infinity, 1e400           | refused: not JSON, or not a number that anyone could encode again               |
| lone surrogates                | refused with the field's name, so every text in the gateway can be encoded      |
| invalid UTF-8                  | refused                                                                         |
| big integers                   | kept exactly up to 4,300 digits, refused beyond (parsing time is quadratic)     |
| byte order mark, trailing text | refused                                                                         |
| nesting                        | refused beyond `depth_limit` (the body itself is level 1)                       |
| not an object                  | refused                                                                         |
| size                           | refused beyond `values_limit` values; a large text is decoded in steps          |
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from app.bodies.halves import path_of_half
from app.bodies.json_decoding import TooDeep, TooManyValues, decode
from app.errors import InvalidRequest
from app.settings import ServerSettings

ListKind = Literal["messages", "parts", "inputs", "tools"]
"""What the elements of a list become; each kind has a limit of its own."""


def parse_body(raw: bytes, depth_limit: int, values_limit: int, values: int | None = None) -> dict[str, Any]:
    """Decode the JSON object in `raw`; every text and number of it can be encoded again. `values` is what `structure`
    says of it, if it was asked before. Raises InvalidRequest."""
    try:
        body = decode(raw, depth_limit, values_limit, values)
    except TooManyValues:
        raise InvalidRequest(f"The request body has more than {values_limit} values.") from None
    except TooDeep:
        raise _too_deep(depth_limit) from None
    except RecursionError:
        raise _too_deep(depth_limit) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None
    except msgspec.MsgspecError as error:
        if (path := path_of_half(raw)) is not None:
            message = f"{path}: half of a surrogate pair stands alone: that is no character, and no UTF-8 can say it."
            raise InvalidRequest(message, param=path) from None
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    # Fewer values or brackets than levels allowed is the common case, and needs no walk.
    may_be_deeper = (values is None or values > depth_limit) and _has_more_brackets(raw, depth_limit)
    if may_be_deeper and _is_deeper(body, depth_limit):
        raise _too_deep(depth_limit)
    return body


def _has_more_brackets(raw: bytes, limit: int) -> bool:
    """Count by `find`, which looks at many bytes at a time: `count` takes 100 us for a prompt of 100 kB."""
    left = limit
    for bracket in (b"{", b"["):
        at = raw.find(bracket)
        while at >= 0:
            if not left:
                return True
            left -= 1
            at = raw.find(bracket, at + 1)
    return False


def _is_deeper(body: dict[str, Any], limit: int) -> bool:
    level: list[Any] = [body]
    for _ in range(limit):
        level = [
            value
            for node in level
            for value in (node.values() if type(node) is dict else node)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return False
    return True


def _too_deep(limit: int) -> InvalidRequest:
    return InvalidRequest(f"The request body is nested deeper than {limit} levels.")


def check_counts(body: dict[str, Any], values: int, lists: Mapping[str, ListKind], limits: ServerSettings) -> None:
    """Check the length of each of the body's `lists`, and of the lists in their elements. The body has `values` at
    most.

    Raises InvalidRequest with the field and its limit.
    """
    messages, inputs, tools, parts = (
        limits.messages_limit,
        limits.inputs_limit,
        limits.tools_limit,
        limits.parts_limit,
    )
    if values <= messages and values <= inputs and values <= tools and values <= parts:
        return
    of_kinds: dict[ListKind, int] = {"messages": messages, "inputs": inputs, "tools": tools, "parts": parts}
    for field, kind in lists.items():
        _check(body.get(field), of_kinds[kind], field)
    for path, message in _messages(body, lists):
        for name, value in message.items():
            _check(value, parts, f"{path}.{name}")


def _messages(body: dict[str, Any], lists: Mapping[str, ListKind]) -> Iterator[tuple[str, dict[str, Any]]]:
    for field, kind in lists.items():
        given = body.get(field) if kind in ("messages", "inputs") else None
        for at, message in enumerate(given if type(given) is list else ()):
            if type(message) is dict:
                yield f"{field}[{at}]", message


def _check(given: object, limit: int, path: str) -> None:
    # Token ids are one text: that all of them are numbers is seen to where they are decoded.
    if type(given) is list and len(given) > limit and type(given[0]) is not int:
        raise InvalidRequest(f"{path}: {len(given)} elements are more than the {limit} allowed here.", param=path)

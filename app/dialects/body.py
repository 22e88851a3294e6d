"""A request body's bytes, in; a dict, out. One decision about every doubtful JSON, taken here and nowhere else.

| doubt                          | decision                                                                        |
| ------------------------------ | ------------------------------------------------------------------------------- |
| duplicate keys                 | the last one counts; what goes on to a provider is encoded anew, so all agree   |
| NaN, Infinity, 1e400           | refused: not JSON, or not a number that anyone could encode again               |
| lone surrogates, invalid UTF-8 | refused, so every text in the gateway can be encoded                            |
| big integers                   | kept exactly up to 4,300 digits, refused beyond (parsing time is quadratic)     |
| byte order mark, trailing text | refused                                                                         |
| nesting                        | refused beyond `depth_limit` (the body itself is level 1)                       |
| not an object                  | refused                                                                         |
"""

from typing import Any

import msgspec

from app.errors import InvalidRequest

_decode = msgspec.json.Decoder().decode


def parse_body(raw: bytes, depth_limit: int) -> dict[str, Any]:
    """The JSON object in `raw`, every text and number of which can be encoded again; else `InvalidRequest`."""
    try:
        body = _decode(raw)
    except RecursionError:
        raise _too_deep(depth_limit) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    # Fewer brackets than levels allowed is the common case, and needs no walk.
    if _has_more_brackets(raw, depth_limit) and _is_deeper(body, depth_limit):
        raise _too_deep(depth_limit)
    return body


def _has_more_brackets(raw: bytes, limit: int) -> bool:
    """Counts by `find`, which looks at many bytes at a time: `count` takes 100 us for a prompt of 100 kB."""
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

"""An OTLP message in protobuf as OTLP/JSON. Pure; far slower than protobuf, for receivers that take nothing else.

OTLP's JSON is protobuf's with two differences: the ids of traces and spans are hexadecimal, and enumerations are
numbers.
"""

import json
from base64 import b64decode
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def as_json(kind: type[Message], body: bytes) -> bytes:
    """The message `body` of a kind as one line of JSON."""
    message = kind.FromString(body)
    fields = MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(_with_hexadecimal_ids(fields), separators=(",", ":")).encode()


def _with_hexadecimal_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: b64decode(each).hex() if key in _IDS else _with_hexadecimal_ids(each) for key, each in value.items()
        }
    return [_with_hexadecimal_ids(each) for each in value] if isinstance(value, list) else value

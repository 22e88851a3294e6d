"""JSON as providers write it, which is not always JSON. Pure."""

import json
from typing import Any

import msgspec

from app.backends.direct.errors import Scrub, no_answer

NOT_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What `decode_json` raises."""

decode_json = msgspec.json.Decoder().decode


def is_json(data: bytes) -> bool:
    try:
        decode_json(data)
    except NOT_JSON:
        return False
    return True


def decode_leniently(data: bytes, scrub: Scrub) -> Any:
    """Python's own reader takes half of an emoji, as tokenizers cut them, and numbers that are none. Raises
    `UpstreamFailed` for what it does not take, either."""
    try:
        said = json.loads(data, parse_constant=lambda name: None)
        return decode_json(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise no_answer("something that is not JSON", data, scrub) from error

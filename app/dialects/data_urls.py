"""URLs that hold data themselves, as OpenAI's APIs take images and files."""

import base64
import re
from urllib.parse import unquote_to_bytes

_SCHEME = re.compile(r"data:", re.IGNORECASE)
_LONGEST_HEAD = 256


def split_data_url(url: str) -> tuple[str | None, str]:
    """Media type, with its parameters, and base64 of `data:TYPE;base64,DATA`; what is written in another way becomes
    base64. The type is empty where none is named, and None for any other URL."""
    if not _SCHEME.match(url[:5]):
        return None, ""
    head, comma, data = url[5:].partition(",")
    if not comma or len(head) > _LONGEST_HEAD:
        return None, ""
    kind, _, encoding = head.rpartition(";")
    if encoding.strip().lower() == "base64":
        return kind.strip(), data
    return head.strip(), base64.b64encode(unquote_to_bytes(data)).decode()


def data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"

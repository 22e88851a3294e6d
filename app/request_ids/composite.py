"""Texts in which a client packs several ids: a JSON object, or Claude Code's `user_..._account_..._session_...`."""

import re
from collections.abc import Mapping

import msgspec

_LONGEST = 4096
"""Characters; no client packs more ids than fit."""
_CLAUDE_CODE = re.compile(r"user_(?P<device_id>\w*?)_account_(?P<account_uuid>[\w-]*?)_session_(?P<session_id>[\w-]+)")
_DECODE = msgspec.json.Decoder(dict[str, object]).decode


def fields_of(text: str) -> Mapping[str, object]:
    """The ids in a text by name. Claude Code's older form has the names of its newer one, which is JSON: `device_id`,
    `account_uuid`, `session_id`. Empty for any other text."""
    if len(text) > _LONGEST:
        return {}
    if text.startswith("{"):
        try:
            return _DECODE(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return {}
    packed = _CLAUDE_CODE.fullmatch(text)
    return {} if packed is None else packed.groupdict()

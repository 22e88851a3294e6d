"""Which fields of a body may be told of, where policies change requests: what one takes out is in no span and no line.

Before the policies have looked, those fields that policies do not read: words and identifiers. After them, what they
left of the others.
"""

from collections.abc import Mapping
from typing import Any

from app.messages import Request
from app.text_fields import SYMBOLS, is_symbol


def unread_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body that no policy reads, because they look like the identifiers that belong there."""
    return {
        name: value for name, value in body.items() if name in SYMBOLS and isinstance(value, str) and is_symbol(value)
    }


def fields_left(request: Request, user_field: str) -> dict[str, Any]:
    """The fields of a body beside the conversation, as the policies left them. `user_field` is the path at which a
    client of its API names the user."""
    fields = dict(request.extra)
    if request.user is not None:
        *outer, last = user_field.split(".")
        within = fields
        for name in outer:
            inner = within.get(name)
            within[name] = dict(inner) if isinstance(inner, dict) else {}
            within = within[name]
        within[last] = request.user
    return fields

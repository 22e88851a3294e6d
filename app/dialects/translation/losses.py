"""What happens to fields that another dialect has no word for. Each dialect has a table of its own fields.

A field is dropped where a response without it still answers the question, and refused where it would answer another
one. What is not in a table is unknown, and dropped.
"""

from collections.abc import Mapping
from typing import Any, Literal

from app.errors import InvalidRequest
from app.messages import Request

Disposition = Literal["dropped", "refused"]

_WITHOUT_EFFECT: Mapping[str, object] = {"modalities": ["text"], "best_of": 1}
"""Values that say what is the case anyway."""


ALLOWED_TOOLS = "allowed_tools"
"""A choice among some of the tools, of OpenAI's APIs."""


ELSEWHERE = "a file that lies with another provider, by its id,"
AT_A_URL = "a document at a URL"
"""What is refused of files: their data can be sent in place of either."""


def refuse_losses(extra: Mapping[str, Any], losses: Mapping[str, Disposition], path: str = "") -> None:
    """Raise InvalidRequest for the first field of `extra` that has a value and that `losses` refuses."""
    for name, value in extra.items():
        if losses.get(name) == "refused" and value and value != _WITHOUT_EFFECT.get(name):
            raise no_counterpart(f"{path}{name}")


def refuse_unknown_choice(request: Request) -> None:
    """Raise InvalidRequest where the client chose among tools in a way that the common form has no place for, and that
    `plain_tools` cannot say otherwise."""
    choice = request.extra.get("tool_choice")
    if request.tool_choice is None and choice and choice.get("type") != ALLOWED_TOOLS:
        raise no_counterpart("tool_choice")


def no_counterpart(path: str, what: str = "this field") -> InvalidRequest:
    return InvalidRequest(f"{path}: {what} cannot be translated for the provider of this model.", param=path)

"""Whose a transaction is: the ids that were found in its request, fit for spans and log lines."""

from collections.abc import Mapping

from telemetry.names.ids import LOG_FIELDS, ON_ATTEMPTS
from telemetry.names.spans import Attribute, Value
from telemetry.redact import Scrubber, clean

_LIMIT = 256
"""Characters of an id, or of a value that an operator wants to see."""


class Identity:
    """The ids of one transaction by their attributes, and the `attributes` of the operator's choice. Each text is
    scrubbed and bounded, and has no control characters."""

    __slots__ = ("conversation_id", "log_fields", "on_attempts", "on_transaction")

    def __init__(self, ids: Mapping[str, str], attributes: Mapping[str, str], scrub: Scrubber) -> None:
        self.conversation_id = ""
        """Empty where it has none."""
        on_attempts: dict[str, Value] = {}
        on_transaction: dict[str, Value] = {}
        fields: dict[str, object] = {}
        for name, value in ids.items():
            if text := legible_id(value, scrub):
                on_transaction[name] = fields[LOG_FIELDS[name]] = text
                if name in ON_ATTEMPTS:
                    on_attempts[name] = text
                if name == Attribute.CONVERSATION:
                    self.conversation_id = on_transaction[Attribute.SESSION] = on_attempts[Attribute.SESSION] = text
        if attributes:
            chosen = {name: text for name, value in attributes.items() if (text := legible_id(value, scrub))}
            on_transaction |= chosen
            fields["attributes"] = chosen
        self.on_attempts: Mapping[str, Value] = on_attempts
        """The attributes of its attempts' spans."""
        self.on_transaction: Mapping[str, Value] = on_transaction
        """The attributes of its own span."""
        self.log_fields: Mapping[str, object] = fields
        """The fields of its log lines."""


def legible_id(text: str, scrub: Scrubber) -> str:
    """A text of a client as it may be recorded: printable, without keys, of a bounded length."""
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    text = text.strip()
    return scrub(text)[:_LIMIT] if len(text) <= _LIMIT else clean(scrub, text, _LIMIT)

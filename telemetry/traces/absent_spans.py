"""What an attempt's span leaves on its transaction's where the operator wants no span of it."""

from collections.abc import Mapping

from telemetry.names.spans import Attribute, Value

_OF_THE_ATTEMPT = frozenset(
    {Attribute.ERROR_TYPE, Attribute.HTTP_STATUS, Attribute.DETAIL, Attribute.COST}
    | {Attribute.SERVER_ADDRESS, Attribute.SERVER_PORT}
)
"""Attributes that mean something else on a transaction."""
_OF_BOTH = frozenset(
    {Attribute.OPERATION, Attribute.PROVIDER, Attribute.REQUEST_MODEL, Attribute.REQUEST_STREAM}
    | {Attribute.SYSTEM_INSTRUCTIONS, Attribute.INPUT_MESSAGES, Attribute.OUTPUT_MESSAGES, Attribute.TOOL_DEFINITIONS}
)
"""Attributes that a transaction says better itself."""


def merge_attempt(attributes: dict[str, Value | None], attempt: Mapping[str, Value | None]) -> None:
    """Put the attributes of an attempt among those of its transaction: tokens add up, else the last attempt counts."""
    for key, value in attempt.items():
        if value is None or key in _OF_THE_ATTEMPT or (key in _OF_BOTH and attributes.get(key) is not None):
            continue
        before = attributes.get(key)
        if key.startswith("gen_ai.usage.") and isinstance(value, int) and isinstance(before, int):
            value += before
        attributes[key] = value

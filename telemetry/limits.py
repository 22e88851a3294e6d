"""How much a span or an exported log record may hold, unless a standard variable says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from telemetry.redact import TEXT_LIMIT


@dataclass(frozen=True, slots=True)
class SpanLimits:
    """How many attributes, events and links a span may have, and how many attributes each of those."""

    attributes: int = 128
    events: int = 256
    links: int = 128
    event_attributes: int = 128
    link_attributes: int = 128
    value_length: int | None = None
    """Characters of any text in an attribute. None: only texts that others wrote are bounded, each as it is set."""

    @property
    def text_length(self) -> int:
        """Characters of a text that others wrote."""
        return TEXT_LIMIT if self.value_length is None else self.value_length


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How many attributes an exported log record may have, and how long their texts may be; None for no bound beyond
    that of each text as it is set."""

    attributes: int = 128
    value_length: int | None = None


SPAN_LIMITS = SpanLimits()
LOG_LIMITS = LogLimits()

V = TypeVar("V")


def first(attributes: Mapping[str, V], count: int) -> tuple[dict[str, V], int]:
    """The first `count` of the attributes, and how many the others are."""
    return dict(islice(attributes.items(), count)), max(0, len(attributes) - count)


def cut(value: Any, length: int) -> Any:
    """A value of an attribute with no text in it longer than `length` characters."""
    match value:
        case str():
            return value[:length]
        case tuple() | list():
            return tuple(each[:length] if isinstance(each, str) else each for each in value)
        case _:
            return value

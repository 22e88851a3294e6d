"""Decode JSON of one expected form to a struct, at a tenth of what a dict and a look at each of its fields cost.

The form is declared whole (`forbid_unknown_fields`), so what is decoded has nothing that the struct does not show. A
stream that never has this form is soon not tried any more: an attempt that fails costs as much as the slow way.

A decoder that finds an event of such a form looks at once at those that came behind it, and gives back as one `Run`
those that go on with the same text. Each of them is decoded: none is taken for what it is because of its neighbours.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from app.messages import ModelResponse

Form = TypeVar("Form")
_ATTEMPTS = 8
"""Failed attempts in a row."""
_NOT_OF_FORM = (msgspec.MsgspecError, UnicodeError, RecursionError)


class Run(Struct, frozen=True, gc=False):
    """The chunk of one event, or of several in a row. `texts` is then what each adds to the chunk's only text, which is
    never empty; of one event it is empty."""

    chunk: ModelResponse
    texts: tuple[str, ...] = ()
    kind: str = ""
    """The `type` of the events, where they have one."""
    is_plain: bool = True
    """They hold no text but what the chunk has of it."""
    position: tuple[int, int] | None = None
    """The provider's numbers of the item and of the part that the text belongs to, in a stream of items."""

    @property
    def count(self) -> int:
        """How many events these are."""
        return len(self.texts) or 1


class QuickDecoder(Generic[Form]):
    """Decodes events of one form, for one stream."""

    def __init__(self, form: type[Form]) -> None:
        self._decode = msgspec.json.Decoder(form).decode
        self._failed = 0

    def decode(self, data: bytes) -> Form | None:
        """Decode one event; None if it has another form."""
        if self._failed >= _ATTEMPTS:
            return None
        try:
            form = self._decode(data)
        except _NOT_OF_FORM:
            self._failed += 1
            return None
        self._failed = 0
        return form

    def decode_on(self, events: Sequence[bytes], at: int) -> Iterator[Form]:
        """Decode the events from `at` on, up to the first of another form."""
        with suppress(*_NOT_OF_FORM):
            for number in range(at, len(events)):
                yield self._decode(events[number])

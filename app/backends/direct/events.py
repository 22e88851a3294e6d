"""The events of one stream to chunks: each becomes exactly one `ModelResponse` with its own bytes behind it. Pure.

Joined, the bytes of all chunks are the body. A stream ends well only with its dialect's last word; what a provider
still says after it is handed on, not interpreted.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from app.backends.direct.errors import Scrub, in_band, is_error, no_answer, shown
from app.backends.direct.json_reading import NOT_JSON, decode_json, decode_leniently, is_json
from app.backends.direct.sse import EventReader, Item, is_comment
from app.dialects.errors import ProviderFailed
from app.dialects.well_formed import checked
from app.errors import BackendError, UpstreamFailed, UpstreamTruncated
from app.messages import Dialect, ModelResponse, Native

_HEAD = 4096
_DONE = b"[DONE]"


class Decoder(Protocol):
    """One stream of a dialect, pure."""

    dialect: Dialect
    ended: bool
    """The last word has been said."""

    def quick(self, raw: bytes, sequence: int, data: bytes) -> ModelResponse | None:
        """The most frequent events, without looking at more than they have; None for all others."""

    def chunk(self, event: dict[str, Any], native: Native | None = None) -> ModelResponse: ...
    def bare(self, native: Native) -> ModelResponse:
        """A chunk that says nothing but its bytes."""

    def done(self) -> None:
        """OpenAI's `[DONE]` came."""

    def may_end(self) -> bool:
        """Whether the body may end here although the last word was not said."""


class Events:
    """The items of one stream, numbered and decoded. What is wrong with one is raised by `check`, after those before it
    have been handed on."""

    def __init__(self, decoder: Decoder, scrub: Scrub, event_limit: int) -> None:
        self.reader = EventReader(event_limit)
        self.count = 0
        self.head = b""
        self._decoder = decoder
        self._dialect = decoder.dialect
        self._scrub = scrub
        self._limit = event_limit
        self._error: BackendError | None = None

    def feed(self, data: bytes) -> list[ModelResponse]:
        """What the bytes complete."""
        if not self.count:
            self.head += data[: _HEAD - len(self.head)]
        only = self.reader.only_event(data)
        if only is not None:
            raw, _, said = only
            quick = self._decoder.quick(raw, self.count, said)
            if quick is not None:
                self.count += 1
                return [quick]
        items = [only] if only is not None else self.reader.feed(data)
        return self._decode(items, self.chunk) if items else []

    def finish(self) -> list[ModelResponse]:
        return self._decode(self.reader.finish(), self.last_chunk)

    @property
    def is_over(self) -> bool:
        """Something is wrong with it."""
        return self._error is not None or self.reader.too_large

    def check(self) -> None:
        if self._error is not None:
            raise self._error
        if self.reader.too_large:
            raise self._bad(f"an event of more than {self._limit} bytes", self.head)

    def _decode(self, items: list[Item], decode: Callable[[Item], ModelResponse]) -> list[ModelResponse]:
        chunks: list[ModelResponse] = []
        try:
            # One by one: those before a bad one count.
            chunks.extend(map(decode, items))
        except BackendError as error:
            self._error = error
        return chunks

    def chunk(self, item: Item) -> ModelResponse:
        raw, name, data = item
        number = self.count
        self.count = number + 1
        quick = self._decoder.quick(raw, number, data)
        return quick if quick is not None else self._any_chunk(raw, name, data, number)

    def _any_chunk(self, raw: bytes, name: bytes, data: bytes, number: int) -> ModelResponse:
        decoder = self._decoder
        if not data or data.startswith(_DONE):
            if data:
                self._check_begun(number)
                decoder.done()
            return decoder.bare(Native(self._dialect, raw, number))
        if decoder.ended:
            return decoder.bare(Native(self._dialect, raw, number, data if is_json(data) else b""))
        event, data = self._object(data)
        if ("error" in event or name == b"error" or event.get("object") == "error") and (
            is_error(event) or name == b"error"
        ):
            raise in_band(event, self._scrub)
        kind = event.get("type")
        kind = "" if kind is None else kind
        try:
            if not isinstance(kind, str):
                raise TypeError("a type that is no text")
            return checked(decoder.chunk(event, Native(self._dialect, raw, number, data, kind)))
        except ProviderFailed as failure:
            raise in_band(failure.said, self._scrub) from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise self._bad("an event of an unknown form", data) from error

    def _check_begun(self, number: int) -> None:
        if not number:
            raise UpstreamTruncated("The provider's stream was empty.", detail="no event before [DONE]")

    def _object(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """Also the data itself, as anybody can decode it."""
        try:
            event = decode_json(data)
        except NOT_JSON:
            event = decode_leniently(data, self._scrub)
            data = msgspec.json.encode(event)
        if not isinstance(event, dict):
            raise self._bad("an event that is not a JSON object", data)
        return event, data

    def last_chunk(self, item: Item) -> ModelResponse:
        """What was left without the blank line that ends an event: whole or not, only its content can tell."""
        raw, _, data = item
        if not self.count and not data and not raw.lstrip().startswith(b":"):
            raise self._bad("something that is not an event stream", raw)
        if not self._decoder.ended and not self._is_whole(raw, data):
            raise UpstreamTruncated("The provider's stream stopped amid an event.", detail=shown(raw, self._scrub))
        return self.chunk(item)

    def _is_whole(self, raw: bytes, data: bytes) -> bool:
        # An SDK takes a field without data for an event, and dies of its JSON before it reads our error.
        if not data:
            return bool(self.count) and is_comment(raw)
        return data.startswith(_DONE) or is_json(data)

    def check_end(self) -> None:
        if self._decoder.ended or self._decoder.may_end():
            return
        if self.count == 0:
            raise UpstreamTruncated("The provider's stream was empty.", detail="empty body")
        raise UpstreamTruncated(
            "The provider's stream stopped before its end.",
            detail=f"no last word after {self.count} events; begins {shown(self.head, self._scrub)}",
        )

    def _bad(self, what: str, body: bytes) -> UpstreamFailed:
        return no_answer(what, body, self._scrub)

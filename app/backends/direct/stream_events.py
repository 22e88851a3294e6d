"""The events of a provider's stream to chunks. Pure.

Each event becomes exactly one chunk with its own bytes beside it, and frequent ones that came in a row one `Received`
(`messages/received.py`): joined, the bytes of all chunks are the body. Bytes are rewritten only where they hold what no
client could read. What is wrong with an event is raised after the chunks that came before it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from app.backends.direct.bodies import NOT_JSON, decode_json, is_json
from app.backends.direct.body_forms import BodyForm
from app.backends.direct.codec import StreamDecoder
from app.backends.direct.errors import error_of_report, reported_error, unexpected_body
from app.backends.direct.odd_framing import LineReader, plain_item
from app.backends.direct.sse import EventReader, Item, event_bytes, is_comment, text_without_field
from app.backends.direct.surrogates import HalfHolder
from app.backends.error_bodies import Scrub, error_body
from app.backends.error_classes import is_for_clients
from app.backends.error_reports import is_error, object_in, report_in
from app.bodies.halves import read_leniently, without_halves
from app.dialects.dialect import DIALECTS
from app.dialects.errors import ProviderFailed
from app.dialects.fast_path import Run
from app.dialects.finish_reasons import refuse_failed, with_native_reasons
from app.dialects.response_checks import checked
from app.errors import BackendError, UpstreamFailed, UpstreamTruncated
from app.messages import ModelResponse, Native, Received, is_substantial

_HEAD = 4096
_DONE = b"[DONE]"
_UNKNOWN_FORM = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Errors that a decoder raises."""


class Events:
    """The events of one stream, numbered and decoded. What is wrong with one is raised by `check`, after the chunks
    before it have been handed on. Pure."""

    def __init__(self, decoder: StreamDecoder, scrub: Scrub, event_limit: int, form: BodyForm = "events") -> None:
        self.reader = LineReader(event_limit) if form == "lines" else EventReader(event_limit)
        self.count = 0
        self.head = b""
        self.is_mended = False
        """Whether an event was put right."""
        self.is_over = False
        """Whether an event was wrong, or too large: no more of the stream need be read."""
        self._decoder = decoder
        self._quick: Callable[[bytes, Sequence[bytes], int], Run | None] = decoder.quick
        self._halves = HalfHolder()
        self._before: list[Received] = []
        """What has to be handed on before the chunk of the event at hand."""
        self._dialect = decoder.dialect
        self._event_names = DIALECTS[decoder.dialect].event_names
        self._scrub = scrub
        self._limit = event_limit
        self._error: BackendError | None = None
        self._partial: ModelResponse | None = None
        """What the event that reports a failure holds beside that."""

    def check(self) -> None:
        if self._error is not None:
            raise self._error
        if self.reader.too_large:
            raise self._bad(f"an event of more than {self._limit} bytes", self.head)

    def feed(self, data: bytes, is_last: bool = False) -> list[Received]:
        """The chunks of all events that are complete with these bytes, those before a bad one too; a run of frequent
        ones is one `Received`. `is_last`: no bytes follow, and the last event may lack its blank line."""
        if not self.count:
            self.head += data[: _HEAD - len(self.head)]
        chunks: list[Received] = []
        try:
            for raw, name, events in self.reader.finish() if is_last else self.reader.feed(data):
                at, end = 0, len(events)
                if is_last:
                    self._check_whole(plain_item((raw, name, events[0])))
                while at < end:
                    run = self._quick(name, events, at)
                    if run is None:
                        one = events[at]
                        chunk = self.chunk((raw if end == 1 else event_bytes(name, one), name, one))
                        if self._before:
                            chunks += self._before
                            self._before = []
                        chunks.append(chunk)
                        at += 1
                        continue
                    texts, number = run.texts, self.count
                    count = len(texts) or 1
                    sent, data = raw, b"" if texts else events[at]
                    if count < end:
                        sent = b"".join([event_bytes(name, one) for one in events[at : at + count]])
                    native = Native(self._dialect, sent, number, data, run.kind, run.is_plain, run.position)
                    chunks.append(
                        Received(run.chunk, native, None, texts, count) if texts else Received(run.chunk, native)
                    )
                    self.count = number + count
                    at += count
        except BackendError as error:
            self._error = error
            if self._partial is not None:
                chunks.append(Received(self._partial))
        self.is_over = self._error is not None or self.reader.too_large
        return chunks

    def finish(self) -> list[Received]:
        """The chunks of what came last, and of what was held back."""
        chunks = self.feed(b"", is_last=True)
        return chunks + self._left_alone(self._halves.finish()) if self._halves.held else chunks

    def chunk(self, item: Item) -> Received:
        """The chunk of one event of any kind."""
        number = self.count
        self.count = number + 1
        raw, name, data = plain_item(item)
        decoder = self._decoder
        if not data and (data := _bare_json(raw)):
            raw = event_bytes(name, data)
        if not data or data.startswith(_DONE):
            if data:
                number = self._done(number)
            return Received(decoder.bare(), Native(self._dialect, raw, number))
        if decoder.ended:
            return Received(decoder.bare(), Native(self._dialect, raw, number, data if is_json(data) else b""))
        if name == b"error" and not object_in(data):
            raise error_of_report(report_in(data), self._scrub)
        event, raw, data, number = self._object(raw, name, data, number)
        if name == b"error" or is_error(event):
            self._keep_partial(self._beside_error(event))
            raise reported_error(event, self._scrub, data, raw)
        try:
            return self._event_chunk(event, raw, name, data, number)
        except ProviderFailed as failure:
            self._keep_partial(failure.partial)
            raise self._failure(failure, data, raw) from None
        except _UNKNOWN_FORM as error:
            raise self._bad("an event of an unknown form", data) from error

    def _beside_error(self, event: dict[str, Any]) -> ModelResponse | None:
        """What an event holds of the answer beside the error that it reports."""
        if not (event.get("choices") or event.get("usage")):
            return None
        try:
            chunk = checked(self._decoder.chunk(event))
        except (ProviderFailed, *_UNKNOWN_FORM):
            return None
        open_choices = tuple([replace(one, finish_reason=None) for one in chunk.choices])
        return replace(chunk, choices=open_choices, extra={})

    def _keep_partial(self, partial: ModelResponse | None) -> None:
        if partial is not None and (partial.usage is not None or is_substantial(partial)):
            self._partial = partial

    def _event_chunk(self, event: dict[str, Any], raw: bytes, name: bytes, data: bytes, number: int) -> Received:
        is_named = False
        if not name or event.get("type") is None:
            name, is_named = self._mend_name(event, name)
        is_mended = self._decoder.mend(event) or is_named
        kind = event.get("type")
        kind = "" if kind is None else kind
        if not isinstance(kind, str):
            raise TypeError("a type that is no text")
        if is_mended:
            self.is_mended = True
            data = msgspec.json.encode(event)
            raw = event_bytes(kind.encode() if name and self._event_names != "none" else name, data)
        chunk = checked(self._decoder.chunk(event))
        for choice in chunk.choices:
            if choice.finish_reason is not None:
                native = with_native_reasons(self._dialect, data, event, refuse_failed(chunk))
                if native is not data:
                    raw, data = _with_data(raw, name, data, native), native
                break
        return Received(chunk, Native(self._dialect, raw, number, data, kind))

    def _mend_name(self, event: dict[str, Any], name: bytes) -> tuple[bytes, bool]:
        """The event's name, and whether it or the event's type had to be made of the other."""
        if self._event_names == "none":
            return name, False
        kind = event.get("type")
        if kind is None and name:
            event["type"] = name.decode("utf-8", "replace")
            return name, True
        if self._event_names == "needed" and not name and isinstance(kind, str):
            return kind.encode(), True
        return name, False

    def _failure(self, failure: ProviderFailed, data: bytes, raw: bytes) -> UpstreamFailed:
        """The error for an event that reports one elsewhere than usual; only what the dialect names is known of it."""
        error = reported_error(failure.error, self._scrub)
        if is_for_clients(error):
            error.body = error_body(data, self._scrub, event=raw)
        return error

    def _done(self, number: int) -> int:
        """The event of this number is `[DONE]`. Returns its number behind what was held back until then."""
        if not number:
            raise UpstreamTruncated("The provider's stream was empty.", detail="no event before [DONE]")
        if self._halves.held:
            number = self._resolve(self._halves.finish(), number)
        try:
            self._decoder.done()
        except ProviderFailed as failure:
            message = str(failure.error.get("message"))
            raise UpstreamTruncated(message, detail=f"no reason to finish after {self.count - 1} events") from None
        return number

    def _object(self, raw: bytes, name: bytes, data: bytes, number: int) -> tuple[dict[str, Any], bytes, bytes, int]:
        """Decode an event's data. Returns it with bytes and data, which are rewritten if it was not quite JSON, and
        with its number: what was left of the event before comes before it."""
        if self._halves.held:
            return self._next_to_half(raw, name, data, number)
        try:
            event = decode_json(data)
        except NOT_JSON:
            return self._next_to_half(raw, name, data, number)
        if not isinstance(event, dict):
            raise self._bad("an event that is not a JSON object", data)
        return event, raw, data, number

    def _next_to_half(
        self, raw: bytes, name: bytes, data: bytes, number: int
    ) -> tuple[dict[str, Any], bytes, bytes, int]:
        """Decode an event in which half of a surrogate pair stands, or before which one was held back."""
        is_strict = is_json(data)
        event = decode_json(data) if is_strict else self._lenient(data)
        if not isinstance(event, dict):
            raise self._bad("an event that is not a JSON object", data)
        before, joined = self._halves.feed(event)
        number = self._resolve(before, number)
        if joined is not event or not is_strict:
            event = without_halves(joined)
            data = msgspec.json.encode(event)
            raw = event_bytes(name, data)
        return event, raw, data, number

    def _lenient(self, data: bytes) -> Any:
        try:
            return read_leniently(data)
        except (ValueError, RecursionError) as error:
            raise unexpected_body("something that is not JSON", data, self._scrub) from error

    def _resolve(self, before: list[dict[str, Any]], number: int) -> int:
        """Hand on what was held back and found no other half, from this number on. Returns the next number."""
        self._before += [self._received(event, number + at) for at, event in enumerate(before)]
        self.count = number + len(before) + 1
        # While a half is held, each event has to be looked at.
        self._quick = _not_quick if self._halves.held else self._decoder.quick
        return number + len(before)

    def _left_alone(self, events: list[dict[str, Any]]) -> list[Received]:
        received = [self._received(event, self.count + at) for at, event in enumerate(events)]
        self.count += len(received)
        return received

    def _received(self, event: dict[str, Any], number: int) -> Received:
        data = msgspec.json.encode(event)
        kind = event.get("type") or ""
        raw = event_bytes(kind.encode(), data)
        return Received(self._decoder.chunk(event), Native(self._dialect, raw, number, data, kind))

    def _check_whole(self, item: Item) -> None:
        """Refuse half of an event: what came without the blank line that ends one. Its content tells."""
        raw, _, data = item
        if not self.count and not data and not raw.lstrip().startswith(b":"):
            raise self._bad("something that is not an event stream", raw)
        if not self._decoder.ended and not self._is_whole(raw, data):
            detail = f"after {len(raw)} bytes of it"
            raise UpstreamTruncated("The provider's stream stopped amid an event.", detail=detail)

    def _is_whole(self, raw: bytes, data: bytes) -> bool:
        # An SDK takes a field without data for an event, and dies of its JSON before it reads our error.
        if not data:
            return bool(self.count) and (is_comment(raw) or _bare_json(raw) != b"")
        return data.startswith(_DONE) or is_json(data)

    def check_end(self) -> None:
        if self._decoder.ended or self._decoder.may_end():
            return
        if self.count == 0:
            raise UpstreamTruncated("The provider's stream was empty.", detail="empty body")
        raise UpstreamTruncated(
            "The provider's stream stopped before its end.",
            detail=f"no last word after {self.count} events",
        )

    def _bad(self, what: str, body: bytes) -> UpstreamFailed:
        return unexpected_body(what, body, self._scrub)


def _not_quick(name: bytes, events: Sequence[bytes], at: int) -> None:
    return None


def _bare_json(raw: bytes) -> bytes:
    """The JSON of an object that stands in a block without data as it is; empty for any other block."""
    text = text_without_field(raw)
    found = object_in(text) if text.startswith((b"{", b"[")) else None
    return msgspec.json.encode(found) if found else b""


def _with_data(raw: bytes, name: bytes, data: bytes, new: bytes) -> bytes:
    """An event's bytes with other data: all else stays, where the data had not been cut into lines."""
    return raw.replace(data, new, 1) if data in raw else event_bytes(name, new.replace(b"\n", b"\ndata: "))

"""A provider's stream, read as it comes: server-sent events in, batches of chunks out.

Each event becomes exactly one `Received` chunk, with its own bytes beside it: joined, the bytes of all chunks are the
body. A stream ends well only with its API's terminal event; bytes that come after that are handed on uninterpreted, and
not waited for long. An error is raised after the chunks that came before it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import msgspec

from app.backends.direct.bodies import BODY_LIMIT, NOT_JSON, decode_json, is_json
from app.backends.direct.body_forms import BodyForm, UpstreamBody
from app.backends.direct.codec import StreamDecoder
from app.backends.direct.errors import connection_lost, is_bare_error, is_error, reported_error, unexpected_body
from app.backends.direct.odd_framing import DONE, LineReader, event_bytes, plain_item
from app.backends.direct.sse import EventReader, Item, is_comment
from app.backends.direct.surrogates import HalfHolder
from app.backends.error_bodies import Scrub, error_body
from app.backends.error_classes import is_for_clients
from app.bodies import Held
from app.bodies.halves import read_leniently, without_halves
from app.dialects.errors import ProviderFailed
from app.dialects.finish_reasons import refuse_failed, with_native_reasons
from app.dialects.joined import joined
from app.dialects.response_checks import checked
from app.errors import BackendError, UpstreamFailed, UpstreamTruncated
from app.messages import Batch, ModelResponse, Native, Received, is_substantial

_HEAD = 4096
_DONE = b"[DONE]"
_AFTER_THE_END = 1.0
"""Seconds for what comes after the terminal event: mostly the end of HTTP's framing, which frees the connection."""


class Opened(NamedTuple):
    """An answer to a request for a stream; `whole` is the chunk of one that came whole, `limits` what its head says of
    rate limits, where clients get that."""

    answer: UpstreamBody
    whole: ModelResponse | None = None
    limits: dict[str, str] | None = None


class Events:
    """The events of one stream, numbered and decoded. What is wrong with one is raised by `check`, after the chunks
    before it have been handed on. Pure."""

    def __init__(self, decoder: StreamDecoder, scrub: Scrub, event_limit: int, form: BodyForm = "events") -> None:
        self.reader = LineReader(event_limit) if form == "lines" else EventReader(event_limit)
        self.count = 0
        self.head = b""
        self._decoder = decoder
        self._quick = decoder.quick
        self._halves = HalfHolder()
        self._before: list[Received] = []
        """What has to be handed on before the chunk of the event at hand."""
        self._dialect = decoder.dialect
        self._scrub = scrub
        self._limit = event_limit
        self._error: BackendError | None = None
        self._partial: ModelResponse | None = None
        """What the event that reports a failure holds beside that."""

    def feed(self, data: bytes) -> list[Received]:
        """The chunks of all events that are complete with these bytes."""
        if not self.count:
            self.head += data[: _HEAD - len(self.head)]
        only = self.reader.only_event(data)
        if only is not None:
            raw, _, payload = only
            quick = self._quick(raw, self.count, payload)
            if quick is not None:
                self.count += 1
                return [quick]
        items = [only] if only is not None else self.reader.feed(data)
        return self._decode(items, self.chunk) if items else []

    def finish(self) -> list[Received]:
        return self._decode(self.reader.finish(), self.last_chunk) + self._left_alone(self._halves.finish())

    @property
    def is_over(self) -> bool:
        """Whether an event was wrong: no more of the stream need be read."""
        return self._error is not None or self.reader.too_large

    def check(self) -> None:
        if self._error is not None:
            raise self._error
        if self.reader.too_large:
            raise self._bad(f"an event of more than {self._limit} bytes", self.head)

    def _decode(self, items: list[Item], decode: Callable[[Item], Received]) -> list[Received]:
        chunks: list[Received] = []
        try:
            # One by one: those before a bad one count.
            for item in items:
                chunk = decode(item)
                if self._before:
                    chunks += self._before
                    self._before = []
                chunks.append(chunk)
        except BackendError as error:
            self._error = error
            if self._partial is not None:
                chunks.append(Received(self._partial))
        return chunks

    def chunk(self, item: Item) -> Received:
        raw, _, data = item
        number = self.count
        self.count = number + 1
        quick = self._quick(raw, number, data)
        return quick if quick is not None else self._any_chunk(plain_item(item), number)

    def _any_chunk(self, item: Item, number: int) -> Received:
        raw, name, data = item
        decoder = self._decoder
        if not data or data.startswith(_DONE):
            if data:
                number = self._done(number)
            return Received(decoder.bare(), Native(self._dialect, raw, number))
        if decoder.ended:
            return Received(decoder.bare(), Native(self._dialect, raw, number, data if is_json(data) else b""))
        event, raw, data, number = self._object(raw, name, data, number)
        if _reports_failure(event, name):
            raise reported_error(event, self._scrub, data, raw)
        try:
            return self._event_chunk(event, raw, name, data, number)
        except ProviderFailed as failure:
            if (partial := failure.partial) is not None and (partial.usage is not None or is_substantial(partial)):
                self._partial = partial
            raise self._failure(failure, data, raw) from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise self._bad("an event of an unknown form", data) from error

    def _event_chunk(self, event: dict[str, Any], raw: bytes, name: bytes, data: bytes, number: int) -> Received:
        kind = event.get("type")
        kind = "" if kind is None else kind
        if not isinstance(kind, str):
            raise TypeError("a type that is no text")
        if self._decoder.mend(event):
            data = msgspec.json.encode(event)
            raw = event_bytes(name, data)
        chunk = refuse_failed(checked(self._decoder.chunk(event)))
        if any(choice.finish_reason is not None for choice in chunk.choices):
            native = with_native_reasons(self._dialect, data, event, chunk)
            if native is not data:
                raw, data = _with_data(raw, name, data, native), native
        return Received(chunk, Native(self._dialect, raw, number, data, kind))

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
        if not self._halves.is_empty:
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
        self._quick = self._decoder.quick if self._halves.is_empty else _not_quick
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

    def last_chunk(self, item: Item) -> Received:
        """The chunk of what came without the blank line that ends an event. Its content tells whether it is whole."""
        raw, _, data = item = plain_item(item)
        if not self.count and not data and not raw.lstrip().startswith(b":"):
            raise self._bad("something that is not an event stream", raw)
        if not self._decoder.ended and not self._is_whole(raw, data):
            detail = f"after {len(raw)} bytes of it"
            raise UpstreamTruncated("The provider's stream stopped amid an event.", detail=detail)
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
            detail=f"no last word after {self.count} events",
        )

    def _bad(self, what: str, body: bytes) -> UpstreamFailed:
        return unexpected_body(what, body, self._scrub)


def _reports_failure(event: dict[str, Any], name: bytes) -> bool:
    if "error" in event or name == b"error" or event.get("object") == "error":
        return is_error(event) or name == b"error"
    return "choices" not in event and is_bare_error(event)


def _not_quick(raw: bytes, sequence: int, data: bytes) -> None:
    return None


def _with_data(raw: bytes, name: bytes, data: bytes, new: bytes) -> bytes:
    """An event's bytes with other data: all else stays, where the data had not been cut into lines."""
    return raw.replace(data, new, 1) if data in raw else event_bytes(name, new.replace(b"\n", b"\ndata: "))


async def read_stream(
    send: Callable[[], Awaitable[Opened]],
    decoder: StreamDecoder,
    scrub: Scrub,
    event_limit: int,
) -> AsyncGenerator[Batch, None]:
    """Read the stream whose first bytes `send` brings. Closing this generator closes the connection. `event_limit` is
    the most bytes of one event. The first chunk comes with the limits of the head."""
    (response, form, start), whole, limits = await send()
    events = Events(decoder, scrub, event_limit, form)
    try:
        if whole is not None:
            yield (Received(whole, None, limits),)
            return
        read, data = response.content.readany, start
        try:
            while data:
                if chunks := events.feed(data):
                    if limits:
                        chunks[0], limits = chunks[0].with_limits(limits), None
                    yield chunks
                if events.is_over:
                    events.check()
                data = b"" if decoder.ended else await read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise connection_lost(error, scrub, begun=True) from error
        async for rest in _ending(response, events, decoder):
            if limits:
                rest, limits = (rest[0].with_limits(limits), *rest[1:]), None
            yield rest
    except BackendError:
        response.give_up()
        raise
    finally:
        # Nothing is left of it after a whole answer; of any other, the connection ends here and at once.
        response.close()


async def _ending(
    response: aiohttp.ClientResponse, events: Events, decoder: StreamDecoder
) -> AsyncGenerator[Batch, None]:
    if decoder.ended:
        async for rest in _rest(response, events):
            yield rest
    if chunks := events.finish():
        yield chunks
    events.check()
    events.check_end()
    if not decoder.ended:
        # What ended without `[DONE]` and was whole all the same: its clients wait for one.
        yield [events.chunk(DONE)]


async def read_joined(
    answer: UpstreamBody, decoder: StreamDecoder, scrub: Scrub, event_limit: int, held: Held
) -> ModelResponse:
    """Read a stream that came in place of a whole answer, to its end. `held` counts its bytes. Raises `Overloaded`
    where there is no room for them."""
    events = Events(decoder, scrub, event_limit, answer.form)
    held.grow(len(answer.start))
    received = events.feed(answer.start)
    try:
        while not (decoder.ended or events.is_over) and (data := await answer.response.content.readany()):
            held.grow(len(data))
            received += events.feed(data)
            if held.size > BODY_LIMIT:
                raise unexpected_body(f"a stream of more than {BODY_LIMIT} bytes", b"", scrub)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise connection_lost(error, scrub, begun=True) from error
    received += events.finish()
    events.check()
    events.check_end()
    return joined([one.chunk for one in received])


async def _rest(response: aiohttp.ClientResponse, events: Events) -> AsyncGenerator[Batch, None]:
    clock = asyncio.get_running_loop().time
    until = clock() + _AFTER_THE_END
    while not response.content.at_eof() and (left := until - clock()) > 0:
        try:
            async with asyncio.timeout(left):
                data = await response.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return
        if chunks := events.feed(data):
            yield chunks
        if events.reader.too_large:
            return

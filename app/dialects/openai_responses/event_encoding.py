"""Chunks to the SSE events of a response, where they cannot go out as they came. Pure; one for each stream.

While they can, the terminal event waits for the end of the stream.

Whatever comes in, this goes out: `response.created`; items, each begun, filled and done; a terminal event whose output
is what was sent. Items are numbered from 0, events one by one. Only the first choice is sent. Usage is null when no
provider counted.
"""

import re
from collections.abc import Sequence

from msgspec.structs import replace

from app.dialects.blank_lines import with_blank_line
from app.dialects.openai_responses.errors import error_event, failed_event, provider_event
from app.dialects.openai_responses.item_writer import ItemWriter
from app.dialects.openai_responses.items import responses_annotation
from app.dialects.openai_responses.namespaces import client_names
from app.dialects.openai_responses.native_items import NativeItems, PassthroughLog, TextRun
from app.dialects.openai_responses.numbering import Numbering
from app.dialects.openai_responses.output_state import Event, output_of
from app.dialects.openai_responses.response_encoding import ending, frame, output_text
from app.dialects.openai_responses.server_tools import item_of
from app.dialects.openai_responses.usage import encode_usage
from app.dialects.openai_responses.wire import NAME
from app.dialects.passthrough import Held, Step
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder
from app.dialects.translation.call_ids import CallIds, prefix_of
from app.dialects.translation.encrypted_reasoning import as_text
from app.dialects.translation.ids import with_prefix
from app.errors import ErrorBody, GatewayError
from app.messages import Choice, Dialect, Message, ModelResponse, Native, Received, Request, Usage, is_substantial

_NOTHING = Message()
_LIFE = frozenset({"response.created", "response.in_progress", "response.queued"})
_OF_ITEMS = (
    *("response.output_text.", "response.refusal.", "response.content_part.", "response.reasoning_"),
    *("response.function_call_arguments.", "response.custom_tool_call_input."),
)
"""How the events begin that are about an item which has begun."""
_TERMINAL = frozenset({"response.completed", "response.incomplete"})
_NO_OUTPUT = re.compile(rb'"output"\s*:\s*\[\s*\]')


class EventEncoder:
    """A `StreamEncoder`. `created` (Unix seconds) and `new_id` stand in where a provider gave no time or id."""

    dialect: Dialect = "openai_responses"

    def __init__(self, request: Request, transaction_id: str, new_id: str, created: int) -> None:
        self._request = request
        self._new_id = new_id
        self._created = created
        self._writer = ItemWriter(transaction_id)
        self._calls = CallOrder(CallIds(prefix_of(transaction_id), request))
        self._natives = NativeItems(self._writer, self._calls)
        self._numbering = Numbering()
        self._log = PassthroughLog()
        self._response: Event = {}
        """The response object as it was when it began; empty before."""
        self._is_started = False
        self._has_items = False
        """An item has begun among the events that went out as they came."""
        self._end: Event = {}
        """The provider's own terminal event."""
        self._finish_reason: str | None = None
        self._is_finished = False
        """A chunk set the reason to finish, rather than the provider's terminal event."""
        self._usage: Usage | None = None

    def follow_piece(self, received: Received) -> bool:
        native = received.native
        if native is None or native.position is None:
            return False
        self._log.add(received.chunk, native, received.count)
        return True

    def step(self, chunk: ModelResponse, native: Native, holding: bool) -> Step:
        if native.kind == "response.output_item.added":
            self._has_items = True
        elif not self._has_items and native.kind.startswith(_OF_ITEMS):
            # No SDK finds the item that it is about.
            return "encode"
        elif self._has_items and native.kind in _TERMINAL and _NO_OUTPUT.search(native.data):
            # What SDKs have in the end is this response, and nothing of what came before.
            return "encode"
        return "hold" if holding or native.kind in _TERMINAL else "send"

    def is_complete(self, held: Sequence[Held]) -> bool:
        return bool(held)

    def encode(self, chunk: ModelResponse) -> bytes:
        if chunk.usage is not None:
            self._usage = chunk.usage
        out = b""
        if not self._is_started:
            if not chunk.id and not is_substantial(chunk):
                return b""
            out = self._start(chunk)
        choices = chunk.choices
        return out + self._choice(choices[0]) if len(choices) == 1 else out + b"".join(map(self._choice, choices))

    def encode_texts(self, chunk: ModelResponse, texts: Sequence[str]) -> bytes | None:
        (choice,) = chunk.choices
        if not self._is_started or choice.index or choice.delta is None:
            return None
        if choice.delta.content:
            return self._writer.write_texts(texts, "message", "output_text")
        return self._writer.write_texts(texts, "reasoning") if choice.delta.reasoning_content else None

    def encode_event(self, chunk: ModelResponse, native_event: Event) -> bytes:
        native_event = self._numbering.numbered(native_event)
        kind = str(native_event.get("type"))
        if kind in _LIFE:
            return self._life(kind, native_event)
        out = b"" if self._is_started else self._start(chunk)
        if self._end:
            # Some providers go on after their own end; nobody reads that but byte for byte.
            return out
        if kind in _TERMINAL:
            out += b"".join([self._choice(replace(choice, finish_reason=None)) for choice in chunk.choices])
            self._end, self._usage = native_event, chunk.usage or self._usage
            return out
        if kind.endswith(".done") and self._natives.knows(native_event):
            # The end of something that had come in no pieces.
            out += self._natives.open_part(native_event) if is_substantial(chunk) else b""
            out += b"".join([self._choice(_in_pieces(choice)) for choice in chunk.choices])
            return out + (self._natives.take(native_event, chunk) or b"")
        taken = self._natives.take(native_event, chunk)
        return out + (b"".join(map(self._choice, chunk.choices)) if taken is None else taken)

    def follow(self, chunk: ModelResponse, native: Native) -> None:
        self._log.add(chunk, native)

    def take_over(self) -> None:
        for one in self._log.take():
            if isinstance(one, TextRun):
                self._writer.sequence += one.count
                self._natives.follow_run(one)
            elif (native_event := one[1].event) is not None:
                self._follow_event(one[0], native_event)

    def _follow_event(self, chunk: ModelResponse, native_event: Event) -> None:
        number = native_event.get("sequence_number")
        self._writer.sequence = number + 1 if isinstance(number, int) else self._writer.sequence + 1
        if native_event.get("type") in _LIFE:
            self._is_started = True
            self._response = self._response or native_event["response"]
        else:
            self._natives.follow(self._numbering.numbered(native_event), chunk)

    def gap(self) -> None:
        self._natives.gap()

    def finish(self) -> bytes:
        """The clean end. A reason to finish that was taken away by a policy is rendered as a complete response: that
        the provider gave one at all is made sure before."""
        start = b"" if self._is_started else self._start(ModelResponse())
        ended = ending(self._finish_reason)
        if self._end and not self._is_finished:
            ended = {name: value for name, value in self._end["response"].items() if name in ended}
        status = str(ended.get("status") or "completed")
        closed = self._writer.close_all(status)
        native_event = self._end.get("response") or {}
        output = output_of(self._writer.items, native_event.get("output") or ())
        response = {**self._response, **native_event, **ended, "output": output, **output_text(native_event, output)}
        if not native_event and self._usage is not None:
            response["usage"] = encode_usage(self._usage)
        end = {**self._end, "type": f"response.{status}", "response": response}
        return start + closed + self._writer.event(end)

    def fail(self, error: GatewayError) -> bytes:
        """The provider's own last event, where it sent one; else `error` and `response.failed`. Behind the provider's
        `error`, too, comes a `response.failed`, which it may not have sent any more."""
        response = {**self._response, "output": output_of(self._writer.items)}
        sent = provider_event(error)
        if sent is None:
            out = self._writer.event(error_event(error))
        elif sent.payload["type"] == "response.failed":
            return self._sent(sent, response["output"])
        else:
            out = self._sent(sent, ())
        return out + self._writer.event(failed_event(error, response)) if self._is_started else out

    def _sent(self, error: ErrorBody, output: Sequence[Event]) -> bytes:
        """An event of the provider's: its bytes, if it comes in turn and repeats nothing of the answer."""
        payload, response = error.payload, error.payload.get("response") or {}
        is_next = payload.get("sequence_number") in (None, self._writer.sequence)
        if error.event and is_next and not response.get("output"):
            self._writer.sequence += 1
            return with_blank_line(error.event)
        return self._writer.event({**payload, **({"response": {**response, "output": output}} if response else {})})

    def _life(self, kind: str, native_event: Event) -> bytes:
        if self._is_started and kind == "response.created":
            return b""
        out = b""
        if not self._is_started and kind != "response.created":
            out = self._writer.event({"type": "response.created", "response": native_event["response"]})
        self._is_started = True
        self._response = self._response or native_event["response"]
        return out + self._writer.event(native_event)

    def _start(self, chunk: ModelResponse) -> bytes:
        self._is_started = True
        self._writer.names = client_names(self._request)
        self._response = frame(
            self._request,
            with_prefix(chunk.id, "resp_") or self._new_id,
            chunk.created or self._created,
            chunk.model or self._request.model,
        )
        created = self._writer.event({"type": "response.created", "response": self._response})
        return created + self._writer.event({"type": "response.in_progress", "response": self._response})

    def _choice(self, choice: Choice) -> bytes:
        if choice.index != 0:
            return b""
        if choice.finish_reason is not None:
            self._finish_reason, self._is_finished = choice.finish_reason, True
        message, writer = choice.delta or choice.message or _NOTHING, self._writer
        out = b""
        if message.reasoning_content or message.thinking_blocks:
            out += self._thinking(message)
        if message.content:
            logprobs = (choice.logprobs or {}).get("content")
            out += writer.write_text(message.content, logprobs=logprobs)
        if message.refusal:
            out += writer.write_text(message.refusal, "refusal")
        for call in message.tool_calls:
            piece = self._calls.add(call)
            if piece is not None:
                out += writer.write_call(piece)
        if message.annotations or message.extra:
            out += self._beside(message)
        return out

    def _thinking(self, message: Message) -> bytes:
        out = b""
        for piece in thinking_pieces(message, streamed=self._writer.has_open_thinking):
            if piece.thinking:
                out += self._writer.write_text(piece.thinking, "summary_text")
            if as_text(piece, NAME) is not None:
                out += self._writer.write_encrypted(piece)
        return out

    def _beside(self, message: Message) -> bytes:
        notes = (note for one in message.annotations if (note := responses_annotation(one)) is not None)
        out = b"".join([self._writer.write_annotation(note) for note in notes])
        for one in message.extra.get("server_tools") or ():
            item = item_of(one, self._writer.new_id("st")) if isinstance(one, dict) else None
            out += b"" if item is None else self._writer.write_item(item)
        return out


def _in_pieces(choice: Choice) -> Choice:
    """Return the choice without the parts that the provider's `done` event carries itself."""
    message = choice.delta or _NOTHING
    return replace(choice, delta=replace(message, thinking_blocks=(), annotations=(), extra={}))

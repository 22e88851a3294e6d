"""Chunks to the SSE events of a response, where they cannot go out as they came. Pure; one for each stream.

Whatever comes in, this goes out: `response.created`; items, each begun, filled and done; a terminal event whose output
is what was sent. Items are numbered from 0, events one by one. Only the first choice is sent. Usage is null when no
provider counted.
"""

from msgspec.structs import replace

from app.dialects.encrypted import for_openais_client
from app.dialects.ids import response_id
from app.dialects.namespaces import own_names
from app.dialects.openai_responses.errors import error_event, failed_event
from app.dialects.openai_responses.followed import Followed, Run
from app.dialects.openai_responses.item_writer import ItemWriter
from app.dialects.openai_responses.items import own_annotation
from app.dialects.openai_responses.native_items import NativeItems
from app.dialects.openai_responses.numbering import Numbering
from app.dialects.openai_responses.response_encoding import ending, frame, output_text
from app.dialects.openai_responses.sent import Event, output_of
from app.dialects.openai_responses.server_tools import own_item
from app.dialects.openai_responses.usage import encode_usage
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder
from app.errors import GatewayError
from app.messages import Choice, Message, ModelResponse, Request, Usage, is_substantial

_NOTHING = Message()
_LIFE = frozenset({"response.created", "response.in_progress", "response.queued"})
TERMINAL = frozenset({"response.completed", "response.incomplete"})


class EventEncoder:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._created = created
        self._writer = ItemWriter(transaction_id)
        self._calls = CallOrder(f"call_{transaction_id.removeprefix('txn_')}")
        self._natives = NativeItems(self._writer, self._calls)
        self._numbering = Numbering()
        self._response: Event = {}
        """As it was when it began; empty before."""
        self._is_started = False
        self._end: Event = {}
        """The provider's own terminal event."""
        self._finish_reason: str | None = None
        self._is_finished = False
        """By somebody else than the provider's own terminal event."""
        self._usage: Usage | None = None

    def format(self, chunk: ModelResponse) -> bytes:
        if chunk.usage is not None:
            self._usage = chunk.usage
        out = b""
        if not self._is_started:
            if not chunk.id and not is_substantial(chunk):
                return b""
            out = self._start(chunk)
        choices = chunk.choices
        return out + self._choice(choices[0]) if len(choices) == 1 else out + b"".join(map(self._choice, choices))

    def format_native(self, chunk: ModelResponse, own: Event) -> bytes:
        """An event of a provider of this dialect, all its own but for the numbers and what it repeats."""
        own = self._numbering.numbered(own)
        kind = str(own.get("type"))
        if kind in _LIFE:
            return self._life(kind, own)
        out = b"" if self._is_started else self._start(chunk)
        if self._end:
            # Some providers go on after their own end; nobody reads that but byte for byte.
            return out
        if kind in TERMINAL:
            out += b"".join([self._choice(replace(choice, finish_reason=None)) for choice in chunk.choices])
            self._end, self._usage = own, chunk.usage or self._usage
            return out
        if kind.endswith(".done") and self._natives.knows(own):
            # The end of something that had come in no pieces.
            out += self._natives.open_part(own) if is_substantial(chunk) else b""
            out += b"".join([self._choice(_in_pieces(choice)) for choice in chunk.choices])
            return out + (self._natives.take(own, chunk) or b"")
        taken = self._natives.take(own, chunk)
        return out + (b"".join(map(self._choice, chunk.choices)) if taken is None else taken)

    def follow(self, followed: Followed) -> None:
        """All this went out as it came."""
        for one in followed.events:
            if isinstance(one, Run):
                self._writer.sequence += one.count
                self._natives.follow_run(one)
            elif one.native is not None and (own := one.native.event) is not None:
                self._follow_event(one, own)

    def _follow_event(self, chunk: ModelResponse, own: Event) -> None:
        number = own.get("sequence_number")
        self._writer.sequence = number + 1 if isinstance(number, int) else self._writer.sequence + 1
        if own.get("type") in _LIFE:
            self._is_started = True
            self._response = self._response or own["response"]
        else:
            self._natives.follow(self._numbering.numbered(own), chunk)

    def gap(self) -> None:
        """Something of the provider's is missing here."""
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
        own = self._end.get("response") or {}
        output = output_of(self._writer.items, own.get("output") or ())
        response = {**self._response, **own, **ended, "output": output, **output_text(own, output)}
        if not own and self._usage is not None:
            response["usage"] = encode_usage(self._usage)
        end = {**self._end, "type": f"response.{status}", "response": response}
        return start + closed + self._writer.event(end)

    def fail(self, error: GatewayError) -> bytes:
        out = self._writer.event(error_event(error))
        if not self._is_started:
            return out
        return out + self._writer.event(
            failed_event(error, {**self._response, "output": output_of(self._writer.items)})
        )

    def _life(self, kind: str, own: Event) -> bytes:
        if self._is_started and kind == "response.created":
            return b""
        out = b""
        if not self._is_started and kind != "response.created":
            out = self._writer.event({"type": "response.created", "response": own["response"]})
        self._is_started = True
        self._response = self._response or own["response"]
        return out + self._writer.event(own)

    def _start(self, chunk: ModelResponse) -> bytes:
        self._is_started = True
        self._writer.names = own_names(self._request)
        self._response = frame(
            self._request,
            response_id(chunk.id) or f"resp_{self._transaction_id.removeprefix('txn_')}",
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
        said, writer = choice.delta or choice.message or _NOTHING, self._writer
        out = b""
        if said.reasoning_content or said.thinking_blocks:
            out += self._thinking(said)
        if said.content:
            logprobs = (choice.logprobs or {}).get("content")
            out += writer.write_text(said.content, logprobs=logprobs)
        if said.refusal:
            out += writer.write_text(said.refusal, "refusal")
        for call in said.tool_calls:
            piece = self._calls.place(call)
            if piece is not None:
                out += writer.write_call(piece)
        if said.annotations or said.extra:
            out += self._beside(said)
        return out

    def _thinking(self, said: Message) -> bytes:
        out = b""
        for piece in thinking_pieces(said, streamed=self._writer.has_open_thinking):
            if piece.thinking:
                out += self._writer.write_text(piece.thinking, "summary_text")
            if for_openais_client(piece) is not None:
                out += self._writer.write_encrypted(piece)
        return out

    def _beside(self, said: Message) -> bytes:
        notes = (note for one in said.annotations if (note := own_annotation(one)) is not None)
        out = b"".join([self._writer.write_annotation(note) for note in notes])
        for one in said.extra.get("server_tools") or ():
            item = own_item(one, self._writer.new_id("st")) if isinstance(one, dict) else None
            out += b"" if item is None else self._writer.write_item(item)
        return out


def _in_pieces(choice: Choice) -> Choice:
    """What would have come in pieces: all but what the provider's own event of an item's end says itself."""
    said = choice.delta or _NOTHING
    return replace(choice, delta=replace(said, thinking_blocks=(), annotations=(), extra={}))

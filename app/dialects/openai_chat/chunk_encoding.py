"""Chunks to the SSE events of a chat completion, where they cannot go out as they came. Pure; one for each stream.

While they can, a reason to finish and what comes after it wait, until another choice goes on.

Whatever comes in, this goes out: the same id, time and model on each chunk; choices in order of their index, each
opened by its role; calls numbered from 0, each begun once; the reasons to finish last, held until `finish()`. Choices
that the client did not ask for are dropped. Usage is the client's to ask for, and left out when no provider counted. A
provider's own choice is numbered anew and keeps all else: its role goes out once, a call's id, type and name once. A
call of which the beginning was dropped is dropped too.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.dialects.openai_chat.choice_state import ChoiceState, Event, encode_delta, is_text, is_thinking, no_arguments
from app.dialects.openai_chat.errors import error_event
from app.dialects.openai_chat.legacy_functions import as_function_call, asks_for_functions, function_reason
from app.dialects.openai_chat.response_encoding import encode_usage, response_extra
from app.dialects.passthrough import Held, Step
from app.dialects.translation.call_ids import CallIds, prefix_of
from app.dialects.translation.ids import with_prefix
from app.dialects.translation.stop_reasons import finish_reason
from app.errors import GatewayError
from app.messages import Choice, Dialect, Message, ModelResponse, Native, Received, Request, ToolCall, Usage

_encode = msgspec.json.Encoder().encode
_NOTHING = Message()


class ChunkEncoder:
    """A `StreamEncoder`. `created` (Unix seconds) and `new_id` stand in where a provider gave no time or id."""

    dialect: Dialect = "openai_chat"

    def __init__(self, request: Request, transaction_id: str, new_id: str, created: int) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._new_id = new_id
        self._created = created
        self._limit = request.n or 1
        self._has_functions = asks_for_functions(request)
        self._choices: list[ChoiceState] = []
        self._usage: Usage | None = None
        self._usage_event: Event | None = None
        self._service_tier: str | None = None
        self._fixed: Event = {}
        self._head = b""
        self._tail = b',"usage":null}\n\n' if request.include_usage else b"}\n\n"
        self._latest: ModelResponse | None = None
        """The last chunk with choices before the first edit."""
        self._first: ChoiceState | None = None
        """The first choice, as long as it is open."""
        self._is_done = False

    def follow_piece(self, received: Received) -> bool:
        first, chunk = self._first, received.chunk
        if first is None or len(chunk.choices) != 1:
            return False
        choice = chunk.choices[0]
        message = choice.delta
        if message is None or choice.finish_reason is not None or choice.index:
            return False
        if message.tool_calls or message.reasoning_content or message.thinking_blocks or message.annotations:
            first.follow_delta(message)
        return True

    def step(self, chunk: ModelResponse, native: Native, holding: bool) -> Step:
        if not chunk.choices:
            return self._step_beside(chunk, native, holding)
        self._latest = chunk
        for choice in chunk.choices:
            if _has_content(choice) if holding else choice.finish_reason is not None:
                return "send" if holding else "hold"
        return "hold" if holding else "send"

    def _step_beside(self, chunk: ModelResponse, native: Native, holding: bool) -> Step:
        """Decide on an event without choices: a comment, the usage, `[DONE]`."""
        if chunk.usage is not None and not self._request.include_usage:
            return "drop"
        self._is_done = self._is_done or (not native.data and b"[DONE]" in native.raw)
        return "hold" if holding or self._is_done or chunk.usage is not None else "send"

    def is_complete(self, held: Sequence[Held]) -> bool:
        if self._is_done or self._latest is None:
            return self._is_done
        begun = {index for index, state in enumerate(self._choices) if state.is_open}
        finished: set[int] = set()
        for chunk, _ in held:
            for choice in chunk.choices:
                (begun if choice.finish_reason is None else finished).add(choice.index)
        return begun <= finished

    def take_over(self) -> None:
        if self._latest is not None:
            # The client has seen this id on each chunk.
            self._begin(self._latest, self._latest.id)

    def gap(self) -> None:
        """Choices and calls are known by their indexes: nothing has to be noted."""

    def encode(self, chunk: ModelResponse) -> bytes:
        if not self._head:
            self._begin(chunk)
        if chunk.usage is not None:
            self._usage, self._usage_event = chunk.usage, None
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.extra:
            return self._format_with_extra(chunk)
        if len(chunk.choices) == 1:
            return self._format_choice(chunk.choices[0], {})
        return b"".join([self._format_choice(choice, {}) for choice in chunk.choices])

    def encode_texts(self, chunk: ModelResponse, texts: Sequence[str]) -> bytes | None:
        (choice,) = chunk.choices
        if not self._head or chunk.service_tier is not None:
            return None
        return self._added(choice, texts)

    def encode_event(self, chunk: ModelResponse, event: Event) -> bytes:
        if not _matches(chunk, event):
            return self.encode(chunk)
        if not self._head and (chunk.id or chunk.choices):
            self._begin(chunk)
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.usage is not None:
            self._usage, self._usage_event = chunk.usage, None if chunk.choices else event
        if not chunk.choices:
            return b"" if chunk.usage is not None else self._event(event, [])
        opening, choices = b"", []
        for choice, native in zip(chunk.choices, event["choices"], strict=True):
            if 0 <= choice.index < self._limit:
                opening += self._open_below(choice.index)
                choices += self._renumbered(choice, native, event)
        return opening + (self._event(event, choices) if choices else b"")

    def follow(self, chunk: ModelResponse, native: Native) -> None:
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        for choice in chunk.choices:
            if 0 <= choice.index < self._limit:
                self._state(choice.index).follow(choice.delta, choice.finish_reason)
        self._first = self._choices[0] if self._choices and self._choices[0].is_open else None

    def _begin(self, chunk: ModelResponse, sent_id: str = "") -> None:
        """Set what is the same on every chunk."""
        self._fixed = {
            "id": sent_id or with_prefix(chunk.id, "chatcmpl-") or self._new_id,
            "object": "chat.completion.chunk",
            "created": chunk.created or self._created,
            "model": chunk.model or self._request.model,
        }
        head = dict(self._fixed)
        if chunk.system_fingerprint is not None:
            head["system_fingerprint"] = chunk.system_fingerprint
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":'

    def finish(self) -> bytes:
        """The clean end. A choice whose reason to finish was taken away by a policy ends as `stop` or `tool_calls`:
        that the provider gave one at all is made sure before."""
        if not self._head:
            self._begin(ModelResponse())
        out = [] if self._choices else [self._open_choice(0)]
        tier = {} if self._service_tier is None else {"service_tier": self._service_tier}
        for index, state in enumerate(self._choices):
            if not state.is_begun:
                out.append(self._open_choice(index))
            if state.is_open:
                out += [self._chunk(index, call, None, {}, None) for call in no_arguments(state)]
                out.append(self._ending(index, state, tier))
        if self._usage is not None and self._request.include_usage:
            out.append(self._usage_chunk(self._usage, tier))
        out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """Return the error event. No `[DONE]` follows, which would make the stream a success."""
        return error_event(error)

    def _ending(self, index: int, state: ChoiceState, tier: Event) -> bytes:
        reason = finish_reason(state.finish_reason, state.calls.begun > 0)
        if self._has_functions:
            reason = function_reason(reason)
        if state.ending is None:
            return self._chunk(index, {}, None, tier, reason)
        event, native = state.ending
        return self._event(event, [_renumbered_choice(native, index, {}, reason)])

    def _usage_chunk(self, usage: Usage, tier: Event) -> bytes:
        if self._usage_event is not None:
            return b"data: " + _encode({**self._usage_event, **self._fixed, "choices": []}) + b"\n\n"
        return b"".join([self._head, b"[],", _encode({**tier, "usage": encode_usage(usage)})[1:], b"\n\n"])

    def _format_with_extra(self, chunk: ModelResponse) -> bytes:
        """Send the response's extra fields once, with the first choice or in a chunk without choices."""
        extra = response_extra(chunk)
        first = self._format_choice(chunk.choices[0], extra) if chunk.choices else b""
        others = [self._format_choice(choice, {}) for choice in chunk.choices[1:]]
        if not first and extra:
            first = b"".join([self._head, b"[],", _encode(extra)[1:-1], self._tail])
        return b"".join([first, *others])

    def _format_choice(self, choice: Choice, extra: Event) -> bytes:
        index = choice.index
        if not 0 <= index < self._limit:
            return b""
        message = choice.delta or choice.message or _NOTHING
        if not extra and (added := self._added(choice)) is not None:
            return added
        is_open = index < len(self._choices) and self._choices[index].is_open
        opening = b"" if is_open else self._open_below(index)
        state = self._state(index)
        if choice.finish_reason is not None:
            state.finish_reason, state.ending = choice.finish_reason, None
        delta = encode_delta(state, message)
        if self._has_functions:
            delta = as_function_call(delta)
        if not state.is_begun:
            delta = {"role": "assistant", "content": "", **delta}
        if not delta and choice.logprobs is None and not extra:
            return opening
        state.is_begun = state.is_open = True
        return opening + self._chunk(index, delta, choice.logprobs, extra, None)

    def _added(self, choice: Choice, texts: Sequence[str] = ()) -> bytes | None:
        """The events of a choice that does nothing but add text or thinking to what is open, one for each of the pieces
        in `texts`; None for any other. By far the most frequent chunks, put together without a dict."""
        index = choice.index
        if not (0 <= index < len(self._choices) and self._choices[index].is_open):
            return None
        message = choice.delta or choice.message
        if message is None or choice.logprobs is not None or choice.finish_reason is not None:
            return None
        field, beside, text = b"content", b"", message.content
        if not is_text(message):
            if not is_thinking(message):
                return None
            field, beside, text = b"reasoning_content", b',"logprobs":null', message.reasoning_content
            self._choices[index].note(message)
        start = b'%b[{"index":%d,"delta":{"%b":' % (self._head, index, field)
        end = b'}%b,"finish_reason":null}]%b' % (beside, self._tail)
        return start + (end + start).join(map(_encode, texts or (text,))) + end

    def _renumbered(self, choice: Choice, native: Event, event: Event) -> list[Event]:
        """Return the choice to send; empty if it holds only a reason to finish."""
        state = self._state(choice.index)
        delta = _renumbered_delta(state, choice.delta or _NOTHING, native["delta"])
        if not state.is_begun:
            delta = {"role": "assistant", **delta}
        if choice.finish_reason is not None:
            state.finish_reason = choice.finish_reason
            state.ending = None if _is_substantial(delta) else (event, native)
            if state.ending is not None:
                return []
        state.is_begun = state.is_open = True
        return [_renumbered_choice(native, choice.index, delta, None)]

    def _state(self, index: int) -> ChoiceState:
        while len(self._choices) <= index:
            self._choices.append(self._new_state(len(self._choices)))
        return self._choices[index]

    def _new_state(self, index: int) -> ChoiceState:
        return ChoiceState(CallIds(prefix_of(self._transaction_id, choice=index), self._request))

    def _open_below(self, index: int) -> bytes:
        """Open the choices with lower indexes: SDKs use the index as a list position."""
        return b"".join([self._open_choice(at) for at in range(index) if not self._state(at).is_begun])

    def _open_choice(self, index: int) -> bytes:
        state = self._state(index)
        state.is_begun = state.is_open = True
        return self._chunk(index, {"role": "assistant", "content": ""}, None, {}, None)

    def _event(self, event: Event, choices: list[Event]) -> bytes:
        fixed = self._fixed if choices or event.get("id") else {}
        sent: dict[str, Any] = {**event, **fixed, "choices": choices}
        sent.pop("usage", None)
        if self._request.include_usage:
            sent["usage"] = None
        return b"data: " + _encode(sent) + b"\n\n"

    def _chunk(self, index: int, delta: Event, logprobs: Any, extra: Event, finish_reason: str | None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        beside = b"," + _encode(extra)[1:-1] if extra else b""
        return b"".join((self._head, _encode([choice]), beside, self._tail))


def _has_content(choice: Choice) -> bool:
    """Whether the choice goes on: a provider may well repeat an empty delta after its reason to finish."""
    delta = choice.delta
    return (
        choice.finish_reason is None
        and delta is not None
        and bool(delta.content or delta.refusal or delta.reasoning_content or delta.tool_calls or delta.thinking_blocks)
    )


def _matches(chunk: ModelResponse, event: Event) -> bool:
    """Whether the chunk's choices and calls correspond one to one to the event's."""
    choices = event.get("choices")
    if not isinstance(choices, list) or len(choices) != len(chunk.choices):
        return not choices and not chunk.choices
    return all(_choice_matches(choice, raw) for choice, raw in zip(chunk.choices, choices, strict=True))


def _choice_matches(choice: Choice, raw: Any) -> bool:
    if not isinstance(raw, dict) or raw.get("index", 0) != choice.index:
        return False
    delta = raw.get("delta")
    if not isinstance(delta, dict) or choice.delta is None:
        return False
    calls = delta.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return False
    return len(calls) == len(choice.delta.tool_calls) or (not calls and "function_call" in delta)


def _renumbered_choice(native: Event, index: int, delta: Event, finish_reason: str | None) -> Event:
    # Some providers repeat in each chunk the message so far: what a policy has taken out of it would come back.
    rest = {name: value for name, value in native.items() if name != "message"}
    return {**rest, "index": index, "delta": delta, "finish_reason": finish_reason}


def _renumbered_delta(state: ChoiceState, message: Message, raw: Event) -> Event:
    delta = {name: value for name, value in raw.items() if name != "role"}
    state.note(message)
    if delta.get("tool_calls"):
        calls = (_call(state, call, native) for call, native in zip(message.tool_calls, raw["tool_calls"], strict=True))
        delta["tool_calls"] = [call for call in calls if call is not None]
        if not delta["tool_calls"]:
            del delta["tool_calls"]
    else:
        for call in message.tool_calls:
            state.calls.add(call)
    return delta


def _is_substantial(delta: Event) -> bool:
    return any(value or value is False for value in delta.values())


def _call(state: ChoiceState, call: ToolCall, native: Event) -> Event | None:
    piece = state.calls.add(call)
    if piece is None:
        return None
    kind, field = ("custom", "input") if call.type == "custom" else ("function", "arguments")
    body = native.get(kind)
    body = dict(body) if isinstance(body, dict) else {}
    if piece.call is not None:
        begun = {**body, "name": call.function.name, field: piece.arguments}
        return {**native, "index": piece.position, "id": piece.call.id, "type": kind, kind: begun}
    body.pop("name", None)
    rest = {name: value for name, value in native.items() if name not in ("id", "type")}
    return {**rest, "index": piece.position, kind: {**body, field: piece.arguments}}

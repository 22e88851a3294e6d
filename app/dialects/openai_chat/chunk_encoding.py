"""Chunks to the SSE events of a chat completion, where they cannot go out as they came. Pure; one for each stream.

Whatever comes in, this goes out: the same id, time and model on each chunk; choices in order of their index, each
opened by its role; calls numbered from 0, each begun once; the reasons to finish last, held until `finish()`. Choices
that the client did not ask for are dropped. Usage is the client's to ask for, and left out when no provider counted.
"""

from typing import Any

import msgspec

from app.dialects.ids import completion_id
from app.dialects.openai_chat.choice_state import ChoiceState, Event, encode_delta, is_text
from app.dialects.openai_chat.native_events import matches, renumbered_choice, renumbered_delta, says_something
from app.dialects.openai_chat.response_encoding import encode_usage, response_extra
from app.dialects.stop_reasons import to_openai
from app.messages import Choice, Message, ModelResponse, Request, Usage

_encode = msgspec.json.Encoder().encode
_NOTHING = Message()


class ChunkEncoder:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._created = created
        self._limit = request.n or 1
        self._choices: list[ChoiceState] = []
        self._usage: Usage | None = None
        self._usage_event: Event | None = None
        self._service_tier: str | None = None
        self._fixed: Event = {}
        self._head = b""
        self._tail = b',"usage":null}\n\n' if request.include_usage else b"}\n\n"

    def format(self, chunk: ModelResponse) -> bytes:
        if not self._head:
            self.begin(chunk)
        if chunk.usage is not None:
            self._usage, self._usage_event = chunk.usage, None
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.extra:
            return self._format_with_extra(chunk)
        if len(chunk.choices) == 1:
            return self._format_choice(chunk.choices[0], {})
        return b"".join([self._format_choice(choice, {}) for choice in chunk.choices])

    def format_native(self, chunk: ModelResponse, event: Event) -> bytes:
        """An event of a provider of this dialect, all its own but for the numbers."""
        if not matches(chunk, event):
            return self.format(chunk)
        if not self._head and (chunk.id or chunk.choices):
            self.begin(chunk)
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.usage is not None:
            self._usage, self._usage_event = chunk.usage, None if chunk.choices else event
        if not chunk.choices:
            return b"" if chunk.usage is not None else self._event(event, [])
        opening, choices = b"", []
        for choice, own in zip(chunk.choices, event["choices"], strict=True):
            if 0 <= choice.index < self._limit:
                opening += self._open_below(choice.index)
                choices += self._renumbered(choice, own, event)
        return opening + (self._event(event, choices) if choices else b"")

    def follow(self, chunk: ModelResponse) -> None:
        """This went out as it came."""
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        for choice in chunk.choices:
            if 0 <= choice.index < self._limit:
                self._state(choice.index).follow(choice.delta, choice.finish_reason)

    def open_choices(self) -> set[int]:
        return {index for index, state in enumerate(self._choices) if state.is_open}

    def first_choice(self) -> ChoiceState | None:
        return self._choices[0] if self._choices and self._choices[0].is_open else None

    def begin(self, chunk: ModelResponse) -> None:
        """Fixes what is the same on every chunk."""
        self._fixed = {
            "id": completion_id(chunk.id) or f"chatcmpl-{self._transaction_id}",
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
            self.begin(ModelResponse())
        out = [] if self._choices else [self._open_choice(0)]
        tier = {} if self._service_tier is None else {"service_tier": self._service_tier}
        for index, state in enumerate(self._choices):
            if not state.is_begun:
                out.append(self._open_choice(index))
            if state.is_open:
                out.append(self._ending(index, state, tier))
        if self._usage is not None and self._request.include_usage:
            out.append(self._usage_chunk(self._usage, tier))
        out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    def _ending(self, index: int, state: ChoiceState, tier: Event) -> bytes:
        reason = to_openai(state.finish_reason, state.calls.begun > 0)
        if state.ending is None:
            return self._chunk(index, {}, None, tier, reason)
        event, own = state.ending
        return self._event(event, [renumbered_choice(own, index, {}, reason)])

    def _usage_chunk(self, usage: Usage, tier: Event) -> bytes:
        if self._usage_event is not None:
            return b"data: " + _encode({**self._usage_event, **self._fixed, "choices": []}) + b"\n\n"
        return b"".join([self._head, b"[],", _encode({**tier, "usage": encode_usage(usage)})[1:], b"\n\n"])

    def _format_with_extra(self, chunk: ModelResponse) -> bytes:
        """What a provider says beside its answer goes once, with the first choice or with none."""
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
        said = choice.delta or choice.message or _NOTHING
        is_open = index < len(self._choices) and self._choices[index].is_open
        if is_open and not extra and choice.logprobs is None and choice.finish_reason is None and is_text(said):
            # By far the most frequent chunk, put together without a dict.
            start = b'[{"index":%d,"delta":{"content":' % index
            return b"".join((self._head, start, _encode(said.content), b'},"finish_reason":null}]', self._tail))
        opening = b"" if is_open else self._open_below(index)
        state = self._state(index)
        if choice.finish_reason is not None:
            state.finish_reason, state.ending = choice.finish_reason, None
        delta = encode_delta(state, said)
        if not state.is_begun:
            delta = {"role": "assistant", "content": "", **delta}
        if not delta and choice.logprobs is None and not extra:
            return opening
        state.is_begun = state.is_open = True
        return opening + self._chunk(index, delta, choice.logprobs, extra, None)

    def _renumbered(self, choice: Choice, own: Event, event: Event) -> list[Event]:
        """The choice as it is to be sent, if there is more in it than its reason to finish."""
        state = self._state(choice.index)
        delta = renumbered_delta(state, choice.delta or _NOTHING, own["delta"])
        if not state.is_begun:
            delta = {"role": "assistant", **delta}
        if choice.finish_reason is not None:
            state.finish_reason = choice.finish_reason
            state.ending = None if says_something(delta) else (event, own)
            if state.ending is not None:
                return []
        state.is_begun = state.is_open = True
        return [renumbered_choice(own, choice.index, delta, None)]

    def _state(self, index: int) -> ChoiceState:
        while len(self._choices) <= index:
            self._choices.append(ChoiceState(f"call_{self._transaction_id}_{len(self._choices)}"))
        return self._choices[index]

    def _open_below(self, index: int) -> bytes:
        """SDKs use the index as a list position: a choice cannot come before those below it."""
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

"""Chunks of the common form to the SSE body of a chat completion. Pure; one for each stream.

Whatever comes in, this goes out: the same id, time and model on each chunk; choices in order of their index, each
opened by its role; calls numbered from 0, each begun once; the reasons to finish last, held until `finish()`. Choices
that the client did not ask for are dropped. Usage is the client's to ask for, and left out when no provider counted.
"""

from typing import Any

import msgspec

from app.dialects.openai_chat.errors import error_body
from app.dialects.openai_chat.response_encoding import (
    encode_call,
    encode_thinking,
    encode_usage,
    message_extra,
    response_extra,
)
from app.dialects.stop_reasons import to_openai
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder
from app.errors import GatewayError
from app.messages import Choice, Message, ModelResponse, Request, ThinkingBlock, ToolCall, Usage

_encode = msgspec.json.Encoder().encode
_NOTHING = Message()


class _ChoiceState:
    """What was already sent of one choice."""

    __slots__ = ("annotations", "blocks", "calls", "finish_reason", "thinking")

    def __init__(self, id_prefix: str) -> None:
        self.calls = CallOrder(id_prefix)
        self.finish_reason: str | None = None
        self.thinking: list[str] = []
        self.blocks = 0
        self.annotations = 0


class OpenAIClientFormatter:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._created = created
        self._limit = request.n or 1
        self._choices: list[_ChoiceState] = []
        self._usage: Usage | None = None
        self._service_tier: str | None = None
        self._ended = False
        self._head = b""
        self._tail = b',"usage":null}\n\n' if request.include_usage else b"}\n\n"

    def format(self, chunk: ModelResponse) -> bytes:
        if self._ended:
            return b""
        if not self._head:
            self._begin(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.extra:
            return self._format_with_extra(chunk)
        if len(chunk.choices) == 1:
            return self._format_choice(chunk.choices[0], {})
        return b"".join([self._format_choice(choice, {}) for choice in chunk.choices])

    def finish(self) -> bytes:
        """The clean end. A choice whose reason to finish was taken away by a policy ends as `stop` or `tool_calls`:
        that the provider gave one at all is made sure before."""
        if self._ended:
            return b""
        self._begin_if_needed()
        out = [] if self._choices else [self._open_choice(0)]
        tier = {} if self._service_tier is None else {"service_tier": self._service_tier}
        for index, state in enumerate(self._choices):
            reason = to_openai(state.finish_reason, state.calls.begun > 0)
            out.append(self._chunk(index, {}, None, tier, reason))
        if self._usage is not None and self._request.include_usage:
            usage = _encode({**tier, "usage": encode_usage(self._usage)})
            out += [self._head, b"[],", usage[1:], b"\n\n"]
        self._ended = True
        out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """The error event, and nothing after it: a `[DONE]` would make the stream a success."""
        if self._ended:
            return b""
        self._ended = True
        return b"data: " + _encode(error_body(error)) + b"\n\n"

    def keepalive(self) -> bytes:
        return b"" if self._ended else b": keepalive\n\n"

    def _begin_if_needed(self) -> None:
        if not self._head:
            self._begin(ModelResponse())

    def _begin(self, chunk: ModelResponse) -> None:
        head: dict[str, Any] = {
            "id": chunk.id or f"chatcmpl-{self._transaction_id}",
            "object": "chat.completion.chunk",
            "created": chunk.created or self._created,
            "model": chunk.model or self._request.model,
        }
        if chunk.system_fingerprint is not None:
            head["system_fingerprint"] = chunk.system_fingerprint
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":'

    def _format_with_extra(self, chunk: ModelResponse) -> bytes:
        """What a provider says beside its answer goes once, with the first choice or with none."""
        extra = response_extra(chunk)
        first = self._format_choice(chunk.choices[0], extra) if chunk.choices else b""
        others = [self._format_choice(choice, {}) for choice in chunk.choices[1:]]
        if not first and extra:
            first = b"".join([self._head, b"[],", _encode(extra)[1:-1], self._tail])
        return b"".join([first, *others])

    def _format_choice(self, choice: Choice, extra: dict[str, Any]) -> bytes:
        index = choice.index
        if not 0 <= index < self._limit:
            return b""
        said = choice.delta or choice.message or _NOTHING
        is_open = index < len(self._choices)
        if is_open and not extra and choice.logprobs is None and choice.finish_reason is None and _is_text(said):
            # By far the most frequent chunk, put together without a dict.
            start = b'[{"index":%d,"delta":{"content":' % index
            return b"".join((self._head, start, _encode(said.content), b'},"finish_reason":null}]', self._tail))
        opening = b"".join([self._open_choice(at) for at in range(len(self._choices), index)])
        if not is_open:
            self._choices.append(_ChoiceState(self._call_prefix(index)))
        state = self._choices[index]
        if choice.finish_reason is not None:
            state.finish_reason = choice.finish_reason
        delta = self._delta(state, said)
        if not is_open:
            delta = {"role": "assistant", "content": "", **delta}
        if not delta and choice.logprobs is None and not extra:
            return opening
        return opening + self._chunk(index, delta, choice.logprobs, extra, None)

    def _call_prefix(self, index: int) -> str:
        return f"call_{self._transaction_id}_{index}"

    def _open_choice(self, index: int) -> bytes:
        """SDKs use the index as a list position: a choice cannot come before those below it."""
        self._choices.append(_ChoiceState(self._call_prefix(index)))
        return self._chunk(index, {"role": "assistant", "content": ""}, None, {}, None)

    def _delta(self, state: _ChoiceState, said: Message) -> dict[str, Any]:
        delta = message_extra(said) if said.extra else {}
        if said.content:
            delta["content"] = said.content
        if said.refusal:
            delta["refusal"] = said.refusal
        if said.reasoning_content or said.thinking_blocks:
            delta |= _thinking(state, said)
        if calls := [encoded for call in said.tool_calls if (encoded := _call(state, call)) is not None]:
            delta["tool_calls"] = calls
        if said.annotations:
            first = state.annotations
            state.annotations += len(said.annotations)
            delta["annotations"] = [{**note, "index": at} for at, note in enumerate(said.annotations, first)]
        return delta

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: Any, extra: dict[str, Any], finish_reason: str | None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        beside = b"," + _encode(extra)[1:-1] if extra else b""
        return b"".join((self._head, _encode([choice]), beside, self._tail))


def _is_text(said: Message) -> bool:
    return bool(said.content) and not (
        said.tool_calls
        or said.reasoning_content
        or said.thinking_blocks
        or said.refusal
        or said.annotations
        or said.extra
    )


def _thinking(state: _ChoiceState, said: Message) -> dict[str, Any]:
    text: list[str] = []
    blocks: list[dict[str, Any]] = []
    for piece in thinking_pieces(said, streamed=bool(state.thinking)):
        if piece.thinking:
            text.append(piece.thinking)
            state.thinking.append(piece.thinking)
        if piece.data is not None:
            blocks.append(encode_thinking(piece, state.blocks + len(blocks)))
        elif piece.signature is not None:
            signed = ThinkingBlock(thinking="".join(state.thinking), signature=piece.signature)
            blocks.append(encode_thinking(signed, state.blocks + len(blocks)))
            state.thinking.clear()
    state.blocks += len(blocks)
    delta: dict[str, Any] = {"reasoning_content": "".join(text)} if text else {}
    return delta | ({"thinking_blocks": blocks} if blocks else {})


def _call(state: _ChoiceState, call: ToolCall) -> dict[str, Any] | None:
    piece = state.calls.place(call)
    if piece is None:
        return None
    if piece.call is None:
        if not piece.arguments:
            return None
        kind = "custom" if call.type == "custom" else "function"
        field = "input" if call.type == "custom" else "arguments"
        return {"index": piece.position, kind: {field: piece.arguments}}
    function = msgspec.structs.replace(piece.call.function, arguments=piece.arguments)
    return {"index": piece.position, **encode_call(msgspec.structs.replace(piece.call, function=function))}

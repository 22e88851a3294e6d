"""A stream's chunks as the whole response that they are pieces of. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall


def joined(chunks: Iterable[ModelResponse]) -> ModelResponse:
    """Join all chunks of one stream, in their order. Raises ValueError where they hold no choice."""
    head = ModelResponse()
    choices: dict[int, _Whole] = {}
    for chunk in chunks:
        head = replace(
            head,
            id=head.id or chunk.id,
            created=head.created or chunk.created,
            model=head.model or chunk.model,
            usage=chunk.usage or head.usage,
            system_fingerprint=chunk.system_fingerprint or head.system_fingerprint,
            service_tier=chunk.service_tier or head.service_tier,
            extra={**head.extra, **chunk.extra} if chunk.extra else head.extra,
        )
        for choice in chunk.choices:
            choices.setdefault(choice.index, _Whole()).add(choice)
    if not choices:
        raise ValueError("no choices")
    return replace(head, choices=tuple([choices[index].choice(index) for index in sorted(choices)]))


@dataclass(slots=True)
class _Call:
    id: str | None = None
    type: str = "function"
    name: str | None = None
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Whole:
    """One choice as it grows."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    signed: int = 0
    """Pieces of thinking that a signature was about."""
    blocks: list[ThinkingBlock] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    logprobs: dict[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    stop_sequence: str | None = None

    def add(self, choice: Choice) -> None:
        self.finish_reason = choice.finish_reason or self.finish_reason
        self.stop_sequence = choice.stop_sequence or self.stop_sequence
        _extend(self.logprobs, choice.logprobs or {})
        message = choice.delta or choice.message
        if message is None:
            return
        self.content.append(message.content or "")
        self.refusal.append(message.refusal or "")
        self.thinking.append(message.reasoning_content or "")
        for block in message.thinking_blocks:
            self._add_block(block)
        for call in message.tool_calls:
            self._add_call(call)
        self.annotations += message.annotations
        _extend(self.extra, message.extra)

    def choice(self, index: int) -> Choice:
        calls = [
            ToolCall(at, call.id, call.type, Function(call.name, "".join(call.arguments)))
            for at, call in enumerate(self.calls[number] for number in sorted(self.calls))
        ]
        message = Message(
            role="assistant",
            content="".join(self.content) or None,
            refusal="".join(self.refusal) or None,
            reasoning_content="".join(self.thinking) or None,
            thinking_blocks=tuple(self.blocks),
            tool_calls=tuple(calls),
            annotations=tuple(self.annotations),
            extra=self.extra,
        )
        return Choice(index, None, message, self.finish_reason, self.stop_sequence, self.logprobs or None)

    def _add_block(self, block: ThinkingBlock) -> None:
        if block.data is not None:
            self.blocks.append(block)
        elif block.signature is not None:
            text = "".join(self.thinking[self.signed :]) or block.thinking
            self.signed = len(self.thinking)
            self.blocks.append(replace(block, thinking=text))

    def _add_call(self, piece: ToolCall) -> None:
        call = self.calls.setdefault(piece.index, _Call())
        call.id = call.id or piece.id
        call.type = piece.type if piece.function.name else call.type
        call.name = call.name or piece.function.name
        call.arguments.append(piece.function.arguments)


def _extend(whole: dict[str, Any], more: dict[str, Any]) -> None:
    """Add the fields of `more`; lists, of which each chunk has a piece, are joined."""
    for name, value in more.items():
        before = whole.get(name)
        whole[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value

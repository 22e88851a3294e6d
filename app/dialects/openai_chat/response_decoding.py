"""A provider's chat completion, whole or streamed, to the common form: pure.

Providers take OpenAI's form in many ways, and all of these come out alike: reasoning under three names, texts as lists
of parts, calls without an index or all with the same, the old `function_call`, usage in a field of the provider's own.
What the common form has no place for stands in `extra`; beside a text or a call it is left to the native event alone.
"""

from typing import Any

import msgspec

from app.dialects.errors import ProviderFailed
from app.dialects.openai_chat.reasoning_decoding import content_parts, reasoning_of, thinking_blocks
from app.dialects.openai_chat.text_events import TextEvent
from app.dialects.openai_chat.usage_decoding import decode_usage
from app.dialects.quick_decoding import QuickDecoder
from app.dialects.validation import rest
from app.messages import Choice, Dialect, Function, Message, ModelResponse, Native, ToolCall, Usage

_PADDING = frozenset(["obfuscation", "p"])
"""Against eavesdroppers, of OpenAI and of Mistral."""
_RESPONSE = _PADDING.union(
    ["id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"]
)
_REASONING = frozenset(["reasoning_content", "reasoning", "thinking_blocks"])
_MESSAGE = _REASONING.union(["role", "content", "refusal", "tool_calls", "function_call", "annotations"])
_NOTHING = Message()


class ResponseDecoder:
    """One stream, chunk by chunk."""

    dialect: Dialect = "openai_chat"

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._created = 0
        self._model = ""
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, _CallIndexes] = {}
        self._pieces = QuickDecoder(TextEvent)
        self._repeats_message = False
        self._is_counted = False

    def quick(self, raw: bytes, sequence: int, data: bytes) -> ModelResponse | None:
        said = self._pieces.decode(data) if not self.ended else None
        if said is None:
            return None
        self._id = said.id or self._id
        self._created = said.created or self._created
        self._model = said.model or self._model
        (choice,) = said.choices
        delta = choice.delta
        self._begun.add(choice.index)
        return ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(Choice(choice.index, Message(delta.role, delta.content or None)),),
            system_fingerprint=said.system_fingerprint or None,
            service_tier=said.service_tier or None,
            native=Native("openai_chat", raw, sequence, data),
        )

    def chunk(self, event: dict[str, Any], native: Native | None = None) -> ModelResponse:
        get = event.get
        self._id = str(get("id") or self._id)
        self._created = int(get("created") or self._created)
        self._model = get("model") or self._model
        choices: list[dict[str, Any]] = get("choices") or []
        usage = _usage(event) if "x_groq" in event or get("usage") else None
        if usage is not None and not choices:
            self._is_counted = True
        return ModelResponse(
            id=self._id,
            created=int(self._created),
            model=self._model,
            choices=(self._choice(choices[0]),) if len(choices) == 1 else tuple(map(self._choice, choices)),
            usage=usage,
            system_fingerprint=get("system_fingerprint") or None,
            service_tier=get("service_tier") or None,
            extra={} if event.keys() <= _RESPONSE else rest(event, _RESPONSE),
            native=native,
        )

    def bare(self, native: Native) -> ModelResponse:
        return ModelResponse(id=self._id, created=self._created, model=self._model, native=native)

    def done(self) -> None:
        self.ended = True

    def may_end(self) -> bool:
        """Writer sends no `[DONE]`: its streams, known by the message that each chunk repeats beside its delta, end
        with a usage of their own. Of anybody else, a stream without `[DONE]` was cut off."""
        return self._repeats_message and self._is_counted and self._finished >= self._begun

    def _choice(self, said: dict[str, Any]) -> Choice:
        index = said.get("index") or 0
        reason = _reason(said)
        self._begun.add(index)
        if reason is not None:
            self._finished.add(index)
        delta = said.get("delta")
        if "message" in said:
            self._repeats_message = delta is not None
            delta = said["message"] if delta is None else delta
        return Choice(
            index=index,
            delta=self._delta(index, delta) if delta else _NOTHING,
            finish_reason=reason,
            logprobs=said.get("logprobs"),
        )

    def _delta(self, choice: int, delta: dict[str, Any]) -> Message:
        content = delta.get("content")
        if len(delta) == 1 and isinstance(content, str):
            return Message(content=content) if content else _NOTHING
        calls: tuple[ToolCall, ...] = ()
        if delta.get("tool_calls") or delta.get("function_call"):
            indexes = self._calls.get(choice)
            if indexes is None:
                indexes = self._calls[choice] = _CallIndexes()
            calls = tuple(map(indexes.call, _calls(delta)))
        return _message(delta, content, calls)


class _CallIndexes:
    """Gives each call of a choice an index of its own, the provider's where it has one."""

    def __init__(self) -> None:
        self._ids: dict[int, str | None] = {}
        self._moved: dict[int, int] = {}
        self._last = 0

    def call(self, said: dict[str, Any]) -> ToolCall:
        id = said.get("id") or None
        call = _call(said, self._index(said.get("index"), id, said))
        self._last = call.index
        return call

    def _index(self, index: int | None, id: str | None, said: dict[str, Any]) -> int:
        if index is None:
            index = self._unnumbered(id)
        at = self._moved.get(index, index)
        known = self._ids.get(at)
        if known is None:
            self._ids[at] = id
        elif id is not None and id != known and _is_named(said):
            # A known index with another id is another call: some providers number all of theirs 0.
            at = self._moved[index] = max(self._ids) + 1
            self._ids[at] = id
        return at

    def _unnumbered(self, id: str | None) -> int:
        if id is None and self._ids:
            return self._last
        return next((index for index, known in self._ids.items() if known == id), len(self._ids))


def decode_response(body: dict[str, Any], native: Native | None = None) -> ModelResponse:
    choices = body["choices"]
    if not choices:
        raise ValueError("no choices")
    return ModelResponse(
        id=str(body.get("id") or ""),
        created=int(body.get("created") or 0),
        model=body.get("model") or "",
        choices=tuple(map(_whole_choice, choices)),
        usage=_usage(body),
        system_fingerprint=body.get("system_fingerprint") or None,
        service_tier=body.get("service_tier") or None,
        extra=rest(body, _RESPONSE),
        native=native,
    )


def _whole_choice(said: dict[str, Any]) -> Choice:
    message = said["message"]
    calls = tuple(_call(call, at) for at, call in enumerate(_calls(message)))
    return Choice(
        index=said.get("index") or 0,
        message=_message(message, message.get("content"), calls, with_extra=True),
        finish_reason=_reason(said),
        logprobs=said.get("logprobs"),
    )


def _reason(choice: dict[str, Any]) -> str | None:
    """Raises ProviderFailed for OpenRouter's `error`: what was said so far is no answer."""
    reason: str | None = choice.get("finish_reason") or None
    if reason == "error":
        raise ProviderFailed({"message": "The provider failed amid its answer."})
    return reason


def _message(said: dict[str, Any], content: Any, calls: tuple[ToolCall, ...], with_extra: bool = False) -> Message:
    reasoning = reasoning_of(said)
    if content and not isinstance(content, str):
        content, thought = content_parts(content)
        reasoning = reasoning or thought
    refusal = said.get("refusal") or None
    is_plain = said.keys() <= _MESSAGE or (not with_extra and bool(content or calls or reasoning or refusal))
    annotations = said.get("annotations")
    return Message(
        role=said.get("role") or None,
        content=content or None,
        refusal=refusal,
        reasoning_content=reasoning,
        thinking_blocks=thinking_blocks(said),
        tool_calls=calls,
        annotations=tuple(annotations) if annotations else (),
        extra={} if is_plain else rest(said, _MESSAGE),
    )


def _calls(said: dict[str, Any]) -> list[dict[str, Any]]:
    calls = list(said.get("tool_calls") or ())
    if legacy := said.get("function_call"):
        calls.append({"index": 0, "function": legacy})
    return calls


def _is_named(said: dict[str, Any]) -> bool:
    return bool((said.get("function") or said.get("custom") or {}).get("name"))


def _call(said: dict[str, Any], index: int) -> ToolCall:
    if custom := said.get("custom"):
        written = Function(custom.get("name") or None, custom.get("input") or "")
        return ToolCall(index, said.get("id") or None, "custom", written)
    function = said.get("function") or {}
    arguments = function.get("arguments") or ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    kind = "custom" if said.get("type") == "custom" else "function"
    return ToolCall(index, said.get("id") or None, kind, Function(function.get("name") or None, arguments))


def _usage(event: dict[str, Any]) -> Usage | None:
    said = event.get("usage")
    if not said:
        # Groq's own place for it.
        groq = event.get("x_groq")
        said = groq.get("usage") if groq else None
    return decode_usage(said) if said else None

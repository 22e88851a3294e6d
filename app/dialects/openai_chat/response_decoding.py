"""A provider's chat completion, whole or streamed, to the common form: pure.

Providers take OpenAI's form in many ways, and all of these come out alike: reasoning under three names, texts as lists
of parts, calls without an index or all with the same, the old `function_call`, usage in a field of the provider's own.
What the common form has no place for stands in `extra`; beside a text or a call it is left to the native event alone.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from app.dialects.fast_path import QuickDecoder, Run
from app.dialects.finish_reasons import graver, reason_in, refuse_open, refuse_unfinished
from app.dialects.openai_chat.call_decoding import CallJoiner, refuse_nameless
from app.dialects.openai_chat.call_forms import calls_of, decode_call, number_of
from app.dialects.openai_chat.mending import mend_choice, mend_choices, mend_stop
from app.dialects.openai_chat.reasoning_decoding import reasoning_of, thinking_blocks
from app.dialects.openai_chat.text_forms import content_parts, name_in, text_in
from app.dialects.openai_chat.usage_decoding import usage_of
from app.dialects.response_heads import id_in, unix_time
from app.dialects.token_counts import later
from app.dialects.validation import rest
from app.messages import Choice, Dialect, Message, ModelResponse, ToolCall, Usage

_PADDING = frozenset(["obfuscation", "p"])
"""Against eavesdroppers, of OpenAI and of Mistral."""
_RESPONSE = _PADDING.union(
    ["id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"]
)
_REASONING = frozenset(["reasoning_content", "reasoning", "thinking_blocks"])
_MESSAGE = _REASONING.union(["role", "content", "refusal", "tool_calls", "function_call", "annotations"])
_REASONS = frozenset({"stop", "end_turn", "eos", "eos_token", "stop_sequence", "tool_calls", "tool_use", "length"})
"""Words that some put beside the finish reason where vLLM has the stop sequence."""
_NOTHING = Message()


class TextDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The delta of the most frequent event: a piece of one choice's text or reasoning, and nothing else.

    Fields that providers fill with null in every such event are named; with another value it is not such an event.
    """

    content: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class TextChoice(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: TextDelta
    index: int = 0
    finish_reason: UnsetType | None = UNSET
    logprobs: None = None


class TextEvent(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    choices: tuple[TextChoice]
    id: str = ""
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    usage: None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    obfuscation: str = ""


class ResponseDecoder:
    """Decodes one stream, chunk by chunk."""

    dialect: Dialect = "openai_chat"

    def __init__(self, tool_names: Collection[str] | None = None, *, is_followed: bool = True) -> None:
        """`tool_names`: the functions that the provider was offered; None where every name comes whole. `is_followed`:
        the client may get the provider's own bytes."""
        self.ended = False
        self._id = ""
        self._created = 0
        self._model = ""
        self._begun: set[int] = set()
        self._finished: dict[int, str] = {}
        """The reason to finish of each choice that has one, the gravest of several."""
        self._tool_names = tool_names
        self._is_followed = is_followed
        self._calls: dict[int, CallJoiner] = {}
        self._pieces = QuickDecoder(TextEvent)
        self._repeats_message = False
        self._came_whole = False
        self._is_counted = False
        self._knows_reasons = False
        """Whether the server names a reason to finish, be it null, in the first of its events."""
        self._usage: Usage | None = None

    def quick(self, name: bytes, events: Sequence[bytes], at: int = 0) -> Run | None:
        event = self._pieces.decode(events[at]) if not self.ended else None
        if event is None:
            return None
        self._id = event.id or self._id
        self._created = event.created or self._created
        self._model = event.model or self._model
        (choice,) = event.choices
        delta = choice.delta
        text, thought = delta.content or None, delta.reasoning_content or delta.reasoning or None
        is_plain = not (delta.reasoning_content and delta.reasoning)
        if not self._begun:
            self._knows_reasons = choice.finish_reason is not UNSET
        self._begun.add(choice.index)
        texts: tuple[str, ...] = ()
        if len(events) > at + 1 and is_plain and (text is None) is not (thought is None):
            texts = self._texts(event, events, at + 1)
            if texts and thought is None:
                text = "".join(texts)
            elif texts:
                thought = "".join(texts)
        chunk = ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(Choice(choice.index, Message(delta.role or None, text, reasoning_content=thought)),),
            system_fingerprint=event.system_fingerprint or None,
            service_tier=event.service_tier or None,
        )
        return Run(chunk, texts, "", is_plain)

    def _texts(self, first: TextEvent, events: Sequence[bytes], at: int) -> tuple[str, ...]:
        """The text of the first event and of those from `at` on that say nothing else than it did; empty if none do."""
        id, created, model = first.id, first.created, first.model
        fingerprint, tier = first.system_fingerprint, first.service_tier
        index, delta = first.choices[0].index, first.choices[0].delta
        role, is_thought = delta.role, not delta.content
        texts = [delta.content or delta.reasoning_content or delta.reasoning or ""]
        for event in self._pieces.decode_on(events, at):
            (choice,) = event.choices
            delta = choice.delta
            text, other = delta.content, delta.reasoning_content or delta.reasoning
            if is_thought:
                text, other = other, text or (delta.reasoning_content and delta.reasoning)
            if not text or other or choice.index != index or delta.role != role:
                break
            if event.id != id or event.created != created or event.model != model:
                break
            if event.system_fingerprint != fingerprint or event.service_tier != tier:
                break
            texts.append(text)
        return tuple(texts) if len(texts) > 1 else ()

    def mend(self, event: dict[str, Any]) -> bool:
        mended = mend_choices(event)
        if event.get("object") == "chat.completion":
            # By this name SDKs know what they have to add up.
            event["object"] = "chat.completion.chunk"
            mended = True
        for choice in event["choices"]:
            came_whole = not self._begun and "message" in choice and choice.get("delta") is None
            self._came_whole = self._came_whole or came_whole
            mended = mend_choice(choice, "delta") or mended
            joiner = self._calls.get(choice.get("index", 0))
            calls = choice["delta"].get("tool_calls")
            if calls and joiner is not None and (new := joiner.without_copies(calls)) is not calls:
                choice["delta"]["tool_calls"] = new
                mended = True
            mend_stop(choice, bool(calls) or joiner is not None)
        return mended

    def chunk(self, event: dict[str, Any]) -> ModelResponse:
        get = event.get
        self._id = id_in(get("id")) or self._id
        self._created = unix_time(get("created")) or self._created
        self._model = name_in(get("model")) or self._model
        choices: list[dict[str, Any]] = get("choices") or []
        is_plain = event.keys() <= _RESPONSE
        usage = None
        if get("usage") or not is_plain or (choices and "usage" in choices[-1]):
            usage = self._counted(event, beside_choices=bool(choices))
        return ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(self._choice(choices[0]),) if len(choices) == 1 else tuple(map(self._choice, choices)),
            usage=usage,
            system_fingerprint=name_in(fingerprint) if (fingerprint := get("system_fingerprint")) else None,
            service_tier=name_in(tier) if (tier := get("service_tier")) else None,
            extra={} if is_plain else rest(event, _RESPONSE),
        )

    def _counted(self, event: dict[str, Any], beside_choices: bool) -> Usage | None:
        """All that is counted so far, where the event counts anything."""
        usage = usage_of(event)
        if usage is None:
            return None
        self._is_counted = self._is_counted or not beside_choices
        self._usage = later(self._usage, usage)
        return self._usage

    def bare(self) -> ModelResponse:
        return ModelResponse(id=self._id, created=self._created, model=self._model)

    def done(self) -> None:
        # Snowflake has no reasons to finish: its streams are whole where they count what they were at their end.
        if self._knows_reasons or not self._is_counted or not self._begun or self._calls:
            refuse_open(self._begun, self._finished)
        self.ended = True

    def may_end(self) -> bool:
        """Writer sends no `[DONE]`: its streams, known by the message that each chunk repeats beside its delta, end
        with a usage of their own. A whole completion as an event is one. Of anybody else, a stream without `[DONE]` was
        cut off."""
        is_whole = self._came_whole or (self._repeats_message and self._is_counted)
        return is_whole and self._begun <= self._finished.keys()

    def _choice(self, fields: dict[str, Any]) -> Choice:
        index = fields.get("index") or 0
        reason = reason_in(fields.get("finish_reason"))
        self._knows_reasons = self._knows_reasons or "finish_reason" in fields
        self._begun.add(index)
        if reason is not None:
            reason = self._finished[index] = graver(self._finished.get(index), reason)
        delta = fields.get("delta")
        if "message" in fields:
            self._repeats_message = delta is not None
            delta = fields["message"] if delta is None else delta
        message = self._delta(index, delta) if delta else _NOTHING
        if reason is not None and index in self._calls and (waiting := self._calls[index].finish()):
            message = replace(message, tool_calls=(*message.tool_calls, *waiting))
        return Choice(
            index=index,
            delta=message,
            finish_reason=reason,
            stop_sequence=None if reason is None else _stop_sequence(fields),
            logprobs=fields.get("logprobs"),
        )

    def _delta(self, choice: int, delta: dict[str, Any]) -> Message:
        content = delta.get("content")
        if len(delta) == 1 and isinstance(content, str):
            return Message(content=content) if content else _NOTHING
        calls: tuple[ToolCall, ...] = ()
        if delta.get("tool_calls") or delta.get("function_call"):
            joiner = self._calls.get(choice)
            if joiner is None:
                joiner = self._calls[choice] = CallJoiner(self._tool_names, is_followed=self._is_followed)
            calls = joiner.pieces([(number_of(call), decode_call(call)) for call in calls_of(delta)])
        return _message(delta, content, calls)


def decode_response(body: dict[str, Any]) -> ModelResponse:
    choices = body["choices"]
    if not choices:
        raise ValueError("no choices")
    response = ModelResponse(
        id=id_in(body.get("id")),
        created=unix_time(body.get("created")),
        model=name_in(body.get("model")) or "",
        choices=tuple(map(_whole_choice, choices)),
        usage=usage_of(body),
        system_fingerprint=name_in(body.get("system_fingerprint")),
        service_tier=name_in(body.get("service_tier")),
        extra=rest(body, _RESPONSE),
    )
    return refuse_unfinished(response)


def _whole_choice(fields: dict[str, Any]) -> Choice:
    message = fields["message"]
    calls = tuple(decode_call(call, at) for at, call in enumerate(calls_of(message)))
    refuse_nameless(calls)
    return Choice(
        index=fields.get("index") or 0,
        message=_message(message, message.get("content"), calls, with_extra=True),
        finish_reason=reason_in(fields.get("finish_reason")),
        stop_sequence=_stop_sequence(fields),
        logprobs=fields.get("logprobs"),
    )


def _stop_sequence(choice: dict[str, Any]) -> str | None:
    """The stop sequence that ended the text, as vLLM (`stop_reason`) and SGLang (`matched_stop`) say it beside the
    finish reason. A number there is that of a token; a word for a reason is one of a provider's own."""
    if choice.get("finish_reason") != "stop":
        return None
    given = choice.get("stop_reason") or choice.get("matched_stop")
    return given if isinstance(given, str) and given not in _REASONS else None


def _message(fields: dict[str, Any], content: Any, calls: tuple[ToolCall, ...], with_extra: bool = False) -> Message:
    reasoning = reasoning_of(fields)
    if content and not isinstance(content, str):
        content, thought = content_parts(content)
        reasoning = reasoning or thought
    refusal = (text_in(refused) or None) if (refused := fields.get("refusal")) else None
    is_plain = fields.keys() <= _MESSAGE or (not with_extra and bool(content or calls or reasoning or refusal))
    annotations = fields.get("annotations")
    role = fields.get("role") or None
    return Message(
        role=role if isinstance(role, str) else None,
        content=content or None,
        refusal=refusal,
        reasoning_content=reasoning,
        thinking_blocks=thinking_blocks(fields),
        tool_calls=calls,
        annotations=tuple([note for note in annotations if isinstance(note, dict)])
        if isinstance(annotations, list)
        else (),
        extra={} if is_plain else rest(fields, _MESSAGE),
    )

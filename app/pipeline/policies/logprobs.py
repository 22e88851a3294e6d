"""Log probabilities repeat a text token by token: they go on only beside the very text that they are about. Pure."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from app.messages import Choice, ModelResponse, Received

Event = dict[str, Any]
_BESIDE = ("delta", "message")
"""Where in an object the text may stand one level deeper than its log probabilities."""


def without_others(received: Received, event: Event | None) -> tuple[ModelResponse, Event | None]:
    """A chunk and its event without the log probabilities that spell any other text than the one beside them; the same
    objects where there are none."""
    chunk, native = received.chunk, received.native
    if native is not None and event is not None and b"logprobs" not in native.data:
        return chunk, event
    choices = tuple([_fitting_choice(choice) for choice in chunk.choices])
    extra = _fitting(chunk.extra) if chunk.extra else chunk.extra
    if extra is not chunk.extra or any(new is not old for new, old in zip(choices, chunk.choices, strict=True)):
        chunk = replace(chunk, choices=choices, extra=extra)
    return chunk, event if event is None else _fitting(event)


def _fitting_choice(choice: Choice) -> Choice:
    if choice.logprobs is None:
        return choice
    delta = choice.delta
    texts = {"", *((delta.content or "", delta.refusal or "") if delta is not None else ())}
    return choice if texts.issuperset(_spelled(choice.logprobs)) else replace(choice, logprobs=None)


def _fitting(value: Any) -> Any:
    """JSON in which log probabilities stand beside their texts."""
    if isinstance(value, list):
        changed = [_fitting(inner) for inner in value]
        return value if all(new is old for new, old in zip(changed, value, strict=True)) else changed
    if not isinstance(value, dict):
        return value
    fields = {name: _fitting(inner) for name, inner in value.items() if name != "logprobs"}
    same = all(fields[name] is value[name] for name in fields)
    if logprobs := value.get("logprobs"):
        texts = {"", *_texts_beside(value)}
        if not texts.issuperset(_spelled(logprobs if isinstance(logprobs, dict) else {"content": logprobs})):
            return {**fields, "logprobs": [] if isinstance(logprobs, list) else None}
    return value if same else {name: fields.get(name, inner) for name, inner in value.items()}


def _texts_beside(value: Event) -> Iterator[str]:
    yield from (inner for inner in value.values() if isinstance(inner, str))
    for name in _BESIDE:
        if isinstance(inner := value.get(name), dict):
            yield from (text for text in inner.values() if isinstance(text, str))


def _spelled(logprobs: Event) -> Iterator[str]:
    """The texts that the tokens spell, once by their texts and once by their bytes."""
    for name, entries in logprobs.items():
        if not isinstance(entries, list):
            continue
        if name == "tokens":
            yield "".join(map(str, entries))
        elif entries and all(isinstance(entry, dict) for entry in entries):
            yield "".join([str(entry.get("token", "")) for entry in entries])
            spelled = [entry.get("bytes") for entry in entries]
            if any(spelled):
                yield _decoded([number for one in spelled for number in one or ()])


def _decoded(numbers: list[Any]) -> str:
    try:
        return bytes(numbers).decode()
    except (TypeError, ValueError):
        return "\ufffd"

"""Whether a request asks for what was asked for in a recording: an answer is no answer to another question. Pure.

Two bodies of the same API are compared. What a model reads or obeys counts: messages, system prompt, tools, parameters.
What changes from one request to the next without a meaning for the model does not: ids, metadata, the model's name,
marks of what is to be cached, how long the answer may be, and whether it is streamed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.errors import legible
from app.recorder.masks import is_same_behind_masks

_WITHOUT_MEANING = frozenset(
    {
        *("model", "stream", "stream_options", "store", "metadata", "user", "safety_identifier", "service_tier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "include", "background"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens"),
    }
)
"""Fields of a body that say nothing to the model."""
_WITHOUT_MEANING_ANYWHERE = frozenset(
    {"cache_control", "id", "call_id", "tool_call_id", "tool_use_id", "signature", "encrypted_content"}
)
_TEXT_LIMIT = 60
_ABSENT = object()


class Difference(NamedTuple):
    path: str
    """Where: `messages[3].content`."""
    then: str
    now: str
    is_masked: bool = False
    """Whether the two are the same but for masks in one of them."""

    def __str__(self) -> str:
        return f"{self.path} was {self.then} and is {self.now}"


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], asked: Mapping[str, Any], *, masked: bool = False
) -> Iterator[Difference]:
    """Where the body of a request, `now`, differs from the recorded one. `asked` is the body of the client's recorded
    request: a field that it has not, and only `then` has, is a parameter of the deployment that was asked. If `masked`,
    masks in texts stand for any text."""
    for name in sorted(then.keys() | now.keys()):
        if name in _WITHOUT_MEANING or (name not in now and name not in asked):
            continue
        for found in _compared(then.get(name, _ABSENT), now.get(name, _ABSENT), name):
            if not (masked and found.is_masked):
                yield found


def _compared(then: object, now: object, path: str) -> Iterator[Difference]:
    match then, now:
        case dict(), dict():
            for key in sorted((then.keys() | now.keys()) - _WITHOUT_MEANING_ANYWHERE):
                yield from _compared(then.get(key, _ABSENT), now.get(key, _ABSENT), f"{path}.{legible(str(key), 80)}")
        case list(), list():
            for at in range(max(len(then), len(now))):
                yield from _compared(
                    then[at] if at < len(then) else _ABSENT, now[at] if at < len(now) else _ABSENT, f"{path}[{at}]"
                )
        case _ if then != now:
            yield _difference(then, now, path)


def _difference(then: object, now: object, path: str) -> Difference:
    if isinstance(then, str) and isinstance(now, str):
        if is_same_behind_masks(then, now):
            return Difference(path, _excerpt(then), _excerpt(now), is_masked=True)
        start = max(0, _common(then, now) - _TEXT_LIMIT // 3)
        if start:
            return Difference(path, f"...{_excerpt(then[start:])}", f"...{_excerpt(now[start:])}")
    return Difference(path, _excerpt(then), _excerpt(now))


def _common(one: str, other: str) -> int:
    """How many characters they begin with alike."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _excerpt(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, str):
        return repr(legible(value, _TEXT_LIMIT))
    if isinstance(value, dict) and isinstance(value.get("role"), str):
        return f"a message of the role {legible(value['role'], 20)!r}"
    # A large value is not written out to be cut to a few characters.
    return type(value).__name__ if isinstance(value, dict | list) else legible(repr(value), _TEXT_LIMIT)

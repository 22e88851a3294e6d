"""Requests and chunks for the tests of the dialects, by hand and by hypothesis."""

from collections.abc import Iterable
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from app.messages import (
    Choice,
    Dialect,
    Function,
    InputMessage,
    Message,
    ModelResponse,
    Request,
    TextPart,
    ThinkingBlock,
    ToolCall,
    Usage,
)

BOUNDED = settings(
    max_examples=40, deadline=None, report_multiple_bugs=False, phases=(Phase.explicit, Phase.generate, Phase.shrink)
)
"""What keeps a property test to a second, and a failing one to a few."""


def request(dialect: Dialect = "openai_chat", **fields: Any) -> Request:
    minimal = {"model": "m", "messages": (InputMessage("user", (TextPart("hello"),)),), "stream": True}
    return Request(dialect=dialect, **{**minimal, **fields})


def chunk(finish_reason: str | None = None, *, index: int = 0, **delta: Any) -> ModelResponse:
    choice = Choice(index=index, delta=Message(**delta), finish_reason=finish_reason)
    return ModelResponse(id="resp-1", created=1700000000, model="real-model", choices=(choice,))


def call(arguments: str = "", index: int = 0, id: str | None = None, name: str | None = None) -> ToolCall:
    return ToolCall(index=index, id=id, function=Function(name=name, arguments=arguments))


def usage_chunk(usage: Usage) -> ModelResponse:
    return ModelResponse(id="resp-1", created=1700000000, model="real-model", usage=usage)


_texts = st.text(max_size=6)
_maybe_text = st.none() | _texts
_calls = st.builds(
    ToolCall,
    index=st.integers(-1, 3),
    id=st.none() | st.sampled_from(["", "a", "b", "c"]),
    function=st.builds(
        Function,
        name=st.none() | st.sampled_from(["", "read", "write"]),
        arguments=st.sampled_from(["", "{", "}", "{}", '{"a":1}', '"x', "nonsense"]),
    ),
)
_thinking = st.builds(ThinkingBlock, thinking=_texts, signature=_maybe_text) | st.builds(
    ThinkingBlock, type=st.just("redacted_thinking"), data=_maybe_text
)
_messages = st.builds(
    Message,
    role=st.sampled_from([None, "assistant", "user"]),
    content=_maybe_text,
    refusal=_maybe_text,
    reasoning_content=_maybe_text,
    thinking_blocks=st.lists(_thinking, max_size=3).map(tuple),
    tool_calls=st.lists(_calls, max_size=3).map(tuple),
    annotations=st.lists(st.just({"type": "url_citation"}), max_size=2).map(tuple),
    extra=st.sampled_from([{}, {"role": "user"}, {"content": 3}, {"reasoning": "x"}]),
)
_choices = st.builds(
    Choice,
    index=st.integers(-1, 3),
    delta=st.none() | _messages,
    message=st.none() | _messages,
    finish_reason=st.none() | st.sampled_from(["stop", "length", "tool_calls", "content_filter", "tool_use", "odd"]),
    stop_sequence=st.none() | st.just("END"),
    logprobs=st.none() | st.just({"content": []}),
)
_usages = st.builds(
    Usage,
    prompt_tokens=st.integers(0, 9),
    completion_tokens=st.integers(0, 9),
    cache_read_input_tokens=st.integers(0, 9),
    cache_creation_input_tokens=st.integers(0, 9),
)
chunks = st.builds(
    ModelResponse,
    id=st.sampled_from(["", "x", "y"]),
    created=st.integers(0, 2),
    model=st.sampled_from(["", "m1", "m2"]),
    choices=st.lists(_choices, max_size=3).map(tuple),
    usage=st.none() | _usages,
    system_fingerprint=st.none() | st.just("fp"),
    service_tier=st.none() | st.just("default"),
    extra=st.sampled_from([{}, {"id": "other", "choices": 1}, {"provider": "p"}]),
)
"""Anything a policy could make of a stream."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(min_size=1, max_size=5), json_values, max_size=3)


def one_of_each(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def mutations(bodies: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies with one value, at any place, replaced by any JSON or taken away."""
    return st.builds(_mutate, bodies, st.integers(0, 10_000), st.none() | json_values, st.booleans())


def _mutate(body: dict[str, Any], position: int, value: object, remove: bool) -> dict[str, Any]:
    positions = list(_positions(body))
    holder, key = positions[position % len(positions)]
    if remove:
        del holder[key]
    else:
        holder[key] = value
    return body


def _positions(value: Any) -> Iterable[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _positions(value[key])

"""Fields of a wrong type: one that an answer does not need makes no good answer a failure, and what carries its content
or its end is understood or an error."""

from typing import Any

from tests.oddities.table import WAYS, Case, Expected, Table, Way, chat_events, chat_whole, delta, over

_TRANSLATED = tuple(way for way in WAYS if way.client != "chat")
"""A client of chat completions gets these as its provider wrote them, and its SDK reads them."""


def text(
    name: str, fields: dict[str, Any], ways: tuple[Way, ...] = WAYS, thinking: str | None = None, text: str = "so"
) -> Case:
    return Case(
        name,
        chat_events(delta(role="assistant", **fields), delta(finish="stop")),
        chat_whole(fields),
        Expected(text=text, thinking=thinking, finish="stop"),
        ways=ways,
    )


TEXTS = [
    text("a list of texts", {"content": ["s", "o"]}),
    text("an object", {"content": {"type": "text", "text": "so"}}),
    text("an object around an object", {"content": {"type": "text", "text": {"value": "so"}}}),
    text("parts", {"content": [{"type": "text", "text": "s"}, {"type": "text", "text": "o"}]}, _TRANSLATED),
    text("parts and texts", {"content": [{"type": "text", "text": "s"}, "o", None]}, _TRANSLATED),
    text("a reference among parts", {"content": [{"type": "reference", "reference_ids": [1]}, "so"]}, _TRANSLATED),
    text("reasoning as an object", {"content": "so", "reasoning": {"text": "hm"}}, _TRANSLATED, "hm"),
    text("reasoning as an object of content", {"content": "so", "reasoning": {"content": "hm"}}, _TRANSLATED, "hm"),
    text("reasoning as a list", {"content": "so", "reasoning_content": ["h", "m"]}, _TRANSLATED, "hm"),
    text("reasoning that says nothing", {"content": "so", "reasoning": {"effort": "low"}}, _TRANSLATED, ""),
    text("details as an object", {"content": "so", "reasoning_details": {"text": "hm"}}, _TRANSLATED, "hm"),
    text("details with nulls", {"content": "so", "reasoning_details": [None, {"text": "hm"}]}, _TRANSLATED, "hm"),
]


@over(TEXTS)
def test_a_text_in_another_form_is_the_text(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def needless(
    name: str, fields: dict[str, Any] | None = None, choice: Any = None, ways: tuple[Way, ...] = WAYS, **head: Any
) -> Case:
    message = {"content": "so", **(fields or {})}
    streamed = chat_events(delta(choice=choice, **message), delta(finish="stop", choice=choice), **head)
    whole = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **(choice or {})}
    expected = Expected(text="so", calls=(), finish="stop")
    return Case(name, streamed, chat_whole({}, choices=[whole], **head), expected, ways=ways)


_MORE: Any = {"id": 5}
NEEDLESS = [
    needless("an empty list of logprobs", choice={"logprobs": []}),
    needless("a number of logprobs", choice={"logprobs": 5}),
    needless("logprobs of texts", choice={"logprobs": {"content": "so"}}),
    needless("annotations in an object", {"annotations": {"a": 1}}),
    needless("annotations of texts", {"annotations": ["a", None]}),
    needless("a number for the tier", service_tier=5),
    needless("an object for the tier", service_tier={"name": "default"}),
    needless("a number for the model", model=5),
    needless("a number for the fingerprint", system_fingerprint=5),
    needless("a number for the id", **_MORE),
    needless("a text for the time", created="2026-11-29"),
    needless("blocks of thinking in an object", {"thinking_blocks": {"type": "thinking", "thinking": "hm"}}),
    needless("a block of thinking that is a text", {"thinking_blocks": ["hm"]}),
    needless("a block of thinking without a text", {"thinking_blocks": [{"type": "thinking", "signature": 5}]}),
    needless("nulls", {"tool_calls": None, "refusal": None, "annotations": None, "thinking_blocks": [None]}),
    needless("a number for the role", {"role": 5}),
    needless("a refusal that is true", {"refusal": True}),
    needless("an index as a text", choice={"index": "0"}),
    needless("null for an index", choice={"index": None}),
    needless("a fraction for an index", choice={"index": 0.0}),
    needless("a usage that is a text", ways=_TRANSLATED, usage="none"),
]


@over(NEEDLESS)
def test_a_field_that_nobody_needs_fails_no_answer(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def ended(name: str, reason: Any, finish: str, ways: tuple[Way, ...] = WAYS) -> Case:
    streamed = chat_events(delta(content="so"), delta(finish=reason))
    return Case(name, streamed, chat_whole({"content": "so"}, finish=reason), Expected("so", finish=finish), ways=ways)


ENDED = [
    ended("an object", {"type": "stop"}, "stop"),
    ended("an object of its reason", {"reason": "length"}, "length"),
    ended("a list", ["stop"], "stop"),
    ended("a number", 7, "7", tuple(way for way in WAYS if way.client == "chat")),
    ended("true", True, "true", tuple(way for way in WAYS if way.client == "chat")),
]


@over(ENDED)
def test_a_reason_in_another_form_is_the_reason(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def lost(name: str, fields: dict[str, Any] | None, choice: Any = None) -> Case:
    given = {"index": 0, "finish_reason": "stop", **(choice or {})}
    return Case(
        name,
        chat_events(delta(content="a"), {"choices": [{**given, "delta": fields}]}),
        chat_whole({}, choices=[{**given, "message": fields}]),
        Expected(error="unknown form", outcome="upstream_error"),
    )


LOST = [
    lost("a number for a text", {"content": 5}),
    lost("an object without a text", {"content": {"x": 5}}),
    lost("a part without a type", {"content": [{"x": 5}]}),
    lost("a number for a refusal", {"refusal": 5}),
    lost("an index that is no number", {"content": "so"}, {"index": "first"}),
]


@over(LOST)
def test_content_that_is_not_understood_is_the_providers_failure(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)

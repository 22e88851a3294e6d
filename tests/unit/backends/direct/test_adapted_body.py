"""A chat completions body as a provider takes it, by its quirks."""

from typing import Any

import pytest

from app.backends.direct.adapted_body import adapted
from app.providers import Quirks

SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def body_of(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages or [{"role": "user", "content": "hi"}]), **fields}


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


def test_a_body_that_has_nothing_to_change_keeps_its_messages() -> None:
    body = body_of(temperature=1.5)
    assert adapted(body, Quirks()) == body
    assert adapted(body, Quirks(one_system_message=True, text_parts=False))["messages"] is body["messages"]


def test_developer_is_system_where_it_is_not_known() -> None:
    content = [{"type": "text", "text": "b"}]
    body = body_of({"role": "developer", "content": "a"}, {"role": "developer", "content": content})
    assert adapted(body, Quirks())["messages"] == [
        {"role": "system", "content": "a"},
        {"role": "system", "content": content},
    ]
    assert roles(adapted(body, Quirks(developer=True))) == ["developer", "developer"]
    assert roles(body) == ["developer", "developer"]


@pytest.mark.parametrize(
    ("limits", "taken", "sent"),
    [
        ({"max_tokens": 5}, False, {"max_tokens": 5}),
        ({"max_tokens": 5}, True, {"max_completion_tokens": 5}),
        ({"max_completion_tokens": 5}, False, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, True, {"max_completion_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, False, {"max_tokens": 7}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, True, {"max_completion_tokens": 7}),
        ({"max_tokens": 5, "max_completion_tokens": None}, True, {"max_completion_tokens": 5}),
        ({}, True, {}),
    ],
)
def test_one_limit_goes_under_the_name_that_is_taken(limits: dict[str, Any], taken: bool, sent: dict[str, Any]) -> None:
    assert adapted(body_of(**limits), Quirks(max_completion_tokens=taken)) == body_of(**sent)


def test_fields_are_dropped_by_their_paths_unless_the_operator_allows_them() -> None:
    body = body_of({"role": "user", "name": "n", "content": "hi"}, store=True, seed=1)
    quirks = Quirks(dropped=frozenset({"store", "messages[*].name"}))
    assert adapted(body, quirks) == body_of(seed=1)
    assert adapted(body, quirks, frozenset({"store"})) == body_of(seed=1, store=True)


@pytest.mark.parametrize(("effort", "kept"), [(None, True), ("none", True), ("low", False)])
def test_some_fields_are_refused_only_while_the_model_reasons(effort: str | None, kept: bool) -> None:
    quirks = Quirks(dropped_in_reasoning=frozenset({"temperature"}))
    assert ("temperature" in adapted(body_of(temperature=0, reasoning_effort=effort), quirks)) is kept


def test_words_and_names_are_the_providers() -> None:
    quirks = Quirks(tool_choice=(("required", "any"),), renamed=(("seed", "random_seed"),))
    assert adapted(body_of(tool_choice="required", seed=1), quirks) == body_of(tool_choice="any", random_seed=1)
    named = {"type": "function", "function": {"name": "f"}}
    assert adapted(body_of(tool_choice=named), quirks) == body_of(tool_choice=named)


@pytest.mark.parametrize(("asked", "sent"), [(-1, 0.01), (0, 0.01), (0.5, 0.5), (1, 1), (2, 1.0)])
def test_a_temperature_is_brought_into_the_range(asked: float, sent: float) -> None:
    assert adapted(body_of(temperature=asked), Quirks(temperature=(0.01, 1.0)))["temperature"] == sent


def test_a_schema_that_is_refused_stands_among_the_instructions() -> None:
    body = body_of({"role": "system", "content": "a"}, {"role": "user", "content": "b"}, response_format=SCHEMA)
    sent = adapted(body, Quirks(json_schema=False))
    assert sent["response_format"] == {"type": "json_object"}
    assert roles(sent) == ["system", "system", "user"]
    assert sent["messages"][1]["content"].endswith('JSON schema:\n{"type": "object"}')
    assert adapted(body, Quirks()) == body
    plain = body_of(response_format={"type": "json_object"})
    assert adapted(plain, Quirks(json_schema=False)) == plain


def test_a_list_of_texts_becomes_one_text_and_one_with_an_image_stays() -> None:
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    image = [*texts, {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}]
    body = body_of(
        {"role": "tool", "tool_call_id": "1", "content": texts},
        {"role": "user", "content": image},
        {"role": "assistant", "content": None},
    )
    sent = adapted(body, Quirks(text_parts=False))
    assert [message["content"] for message in sent["messages"]] == ["a\nb", image, None]


def test_one_system_message_begins_a_conversation() -> None:
    body = body_of(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
        {"role": "system", "content": "d"},
    )
    assert adapted(body, Quirks(one_system_message=True))["messages"] == [
        {"role": "system", "content": "a\n\nb"},
        {"role": "user", "content": "c"},
        {"role": "user", "content": "d"},
    ]


def test_metadata_goes_beside_store_alone_where_it_is_refused_else() -> None:
    quirks, body = Quirks(metadata_needs_store=True), body_of(metadata={"a": "b"})
    assert adapted(body, quirks) == body_of()
    assert adapted({**body, "store": True}, quirks) == {**body, "store": True}
    assert adapted(body, quirks, frozenset({"metadata"})) == body

"""The form of a prompt: what changes it, and what does not, in requests as clients send them."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.dialects.anthropic_messages.request_decoding import decode_request as decode_messages
from app.dialects.openai_chat.request_decoding import decode_request as decode_chat
from app.messages import Request
from app.prompt_forms import form_of_body, prompt_forms_of
from telemetry import PromptForm, PromptForms

MARK = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}
TOOL = {"name": "ls", "description": "Lists files.", "input_schema": {"type": "object"}}
TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "look"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "ls", "input": {"path": "."}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a b c"}, IMAGE]},
]


def request(messages: list[dict[str, Any]] = TALK, **fields: Any) -> Request:
    body = {"model": "m", "max_tokens": 9, "system": "Be brief.", "tools": [TOOL], "messages": messages, **fields}
    return decode_messages(body, {})


def of(asked: Request) -> PromptForms:
    return prompt_forms_of(asked, asked)


TEXT = {"type": "text", "text": "x"}


def changes(before: PromptForm, after: PromptForm) -> list[str]:
    """In which lists of blocks two forms differ."""
    names = ("tools", "system", "parameters", "messages")
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def with_part(at: int, part: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    content = [part if number == index else one for number, one in enumerate(TALK[at]["content"])]
    return [*TALK[:at], {**TALK[at], "content": content}, *TALK[at + 1 :]]


@pytest.mark.parametrize(
    ("changed", "field", "index"),
    [
        (request(system="Be long."), "system", 0),
        (request(system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Now."}]), "system", 1),
        (request(tools=[{**TOOL, "description": "Lists all."}]), "tools", 0),
        (request(tools=[{"type": "bash_20250124", "name": "bash"}]), "tools", 0),
        (request([{"role": "user", "content": "Look"}, *TALK[1:]]), "messages", 0),
        (request(with_part(1, {**TALK[1]["content"][0], "input": {"path": "/"}})), "messages", 1),
        (request(with_part(2, {**TALK[2]["content"][0], "content": "a b"})), "messages", 2),
        (request(with_part(2, {**TALK[2]["content"][0], "is_error": True})), "messages", 2),
        (request(with_part(2, {**IMAGE, "source": {**IMAGE["source"], "data": "aGVsbG8h"}}, 1)), "messages", 2),  # type: ignore[dict-item]
        (request(tool_choice={"type": "any"}), "parameters", 0),
        (request(thinking={"type": "enabled", "budget_tokens": 2048}), "parameters", 1),
    ],
)
def test_a_change_shows_in_its_own_block_alone(changed: Request, field: str, index: int) -> None:
    before, after = of(request()).client, of(changed).client

    assert changes(before, after) == [field]
    assert getattr(before, field)[: index * 8] == getattr(after, field)[: index * 8]
    assert getattr(before, field)[index * 8 :][:8] != getattr(after, field)[index * 8 :][:8]


@pytest.mark.parametrize(
    "same",
    [
        request(system=[{"type": "text", "text": "Be brief.", **MARK}]),
        request(tools=[{**TOOL, **MARK}]),
        request([{"role": "user", "content": [{"type": "text", "text": "look", **MARK}]}, *TALK[1:]]),
        request(with_part(2, {**TALK[2]["content"][0], "content": [{"type": "text", "text": "a b c", **MARK}]})),
        request(with_part(2, {**TALK[2]["content"][0], **MARK})),
        request(with_part(2, {**IMAGE, **MARK}, 1)),
        request(max_tokens=100, temperature=0.1, stream=True),
    ],
)
def test_marks_and_settings_of_sampling_change_no_block(same: Request) -> None:
    before, after = of(request()).client, of(same).client

    assert (after.tools, after.system, after.messages) == (before.tools, before.system, before.messages)


def test_whether_anything_is_marked_and_for_how_long_is_noted() -> None:
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    chat = {"model": "m", "messages": [{"role": "user", "content": "look"}]}

    assert of(request()).client.parameters != of(request(tools=[{**TOOL, **MARK}])).client.parameters
    assert of(request(tools=[{**TOOL, **MARK}])).ttl_s == 300
    assert of(request(tools=[{**TOOL, **hour}])).ttl_s == 3600
    assert of(decode_chat({**chat, "prompt_cache_retention": "24h"}, {})).ttl_s == 86400


def test_what_no_policy_changed_has_one_form_and_what_one_changed_another() -> None:
    asked = request()
    changed = asked.map_text(lambda text: text.replace("look", "****"))

    assert prompt_forms_of(asked, asked).sent == prompt_forms_of(asked, asked).client
    assert prompt_forms_of(asked, changed).sent != prompt_forms_of(asked, changed).client
    assert prompt_forms_of(asked, changed).client == of(asked).client


def test_a_conversation_belongs_to_a_caller_a_model_and_how_it_begins() -> None:
    asked = request()
    grown = request([*TALK, {"role": "assistant", "content": "ok"}])
    others = [replace(asked, caller="b"), replace(asked, model="n"), request(TALK[1:])]

    assert of(grown).conversation == of(asked).conversation
    assert of(asked).conversation not in [of(other).conversation for other in others]
    assert prompt_forms_of(others[2], others[2], "c1").conversation == prompt_forms_of(asked, asked, "c1").conversation


def test_a_text_of_several_slices_is_the_same_only_if_all_of_it_is() -> None:
    long = "x" * 3_000_000
    before, same, changed = (
        of(request([{"role": "user", "content": text}])).client for text in (long, "x" * 3_000_000, long[:-1] + "y")
    )

    assert same == before != changed


CHAT_BODY: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "ls"}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "ok", "reasoning_content": "hm"},
    ],
}
BODY: dict[str, Any] = {"system": "Be brief.", "tools": [TOOL], "messages": TALK}
RESPONSES_BODY: dict[str, Any] = {
    "instructions": "Be brief.",
    "input": [{"role": "user", "content": "look"}, {"type": "function_call", "name": "ls", "arguments": "{}"}],
}


@pytest.mark.parametrize(
    ("body", "changed", "field", "index"),
    [
        (
            CHAT_BODY,
            {"messages": [{"role": "developer", "content": "Be brief."}, *CHAT_BODY["messages"][1:]]},
            "system",
            0,
        ),
        (CHAT_BODY, {"messages": [*CHAT_BODY["messages"][:2], {"role": "assistant", "content": "ok"}]}, "messages", 1),
        (CHAT_BODY, {"tools": [{"type": "function", "function": {"name": "cat"}}]}, "tools", 0),
        (CHAT_BODY, {"reasoning_effort": "low"}, "parameters", 1),
        (BODY, {"system": [{"type": "text", "text": "Be long."}]}, "system", 0),
        (BODY, {"messages": with_part(2, {**TALK[2]["content"][0], "content": "a b"})}, "messages", 2),
        (BODY, {"tool_choice": {"type": "any"}}, "parameters", 0),
        (BODY, {"tools": [{**TOOL, **MARK}]}, "parameters", 2),
        (RESPONSES_BODY, {"instructions": "Be long."}, "system", 0),
        (RESPONSES_BODY, {"input": [*RESPONSES_BODY["input"][:1], {"type": "message"}]}, "messages", 1),
    ],
)
def test_a_change_of_a_providers_body_shows_in_its_own_block_alone(
    body: dict[str, Any], changed: dict[str, Any], field: str, index: int
) -> None:
    assert changes(form_of_body(body), form_of_body({**body, **changed})) == [field]
    before, after = (getattr(form_of_body(one), field) for one in (body, {**body, **changed}))
    assert before[: index * 8] == after[: index * 8]
    assert before[index * 8 :][:8] != after[index * 8 :][:8]


def test_marks_move_in_a_providers_body_without_a_change() -> None:
    marked = {
        **BODY,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look", **MARK}]},
            TALK[1],
            {
                "role": "user",
                "content": [{**TALK[2]["content"][0], "content": [{"type": "text", "text": "x", **MARK}]}],
            },
        ],
    }
    bare = {
        **BODY,
        "messages": [*TALK[:2], {"role": "user", "content": [{**TALK[2]["content"][0], "content": [TEXT]}]}],
    }

    assert changes(form_of_body(marked), form_of_body(bare)) == ["parameters"]
    assert changes(form_of_body(BODY), form_of_body({**BODY, "stream": True, "max_tokens": 4})) == []
    assert form_of_body({**RESPONSES_BODY, "input": "look"}).messages != b""


@pytest.mark.parametrize("odd", ["half of a pair \ud83d", 2**70, {"deep": [None, 1.5]}])
def test_what_is_no_json_has_a_form_all_the_same(odd: Any) -> None:
    asked = request(tools=[{**TOOL, "input_schema": {"default": odd}}])
    body = {"messages": [odd, {"role": "user", "content": [odd]}], "tools": [odd], "system": [odd]}

    assert of(asked).client == of(request(tools=[{**TOOL, "input_schema": {"default": odd}}])).client
    assert of(asked).client != of(request()).client
    assert form_of_body(body) == form_of_body(body)

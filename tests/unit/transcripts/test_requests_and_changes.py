"""A recorded request reads as a conversation, and beside an earlier one it shows what is new in it and what changed."""

import json
import time
from typing import Any

import pytest

from app.recorder.recording import Body
from app.transcripts.changes import Changes, Fingerprints, Step, changes, fingerprints, predecessor
from app.transcripts.requests import ReadRequest, read_request

TOOL = {"name": "Read", "description": "Reads a file.", "input_schema": {"type": "object"}}


def _claude(*texts: str, system: str = "Be brief.", **more: Any) -> ReadRequest:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    body = {"model": "claude", "max_tokens": 9, "system": system, "messages": messages, "tools": [TOOL], **more}
    return read_request("anthropic_messages", Body(data=json.dumps(body).encode()))


def _changes(before: ReadRequest, now: ReadRequest) -> Changes:
    return changes(fingerprints(before), fingerprints(now))


def test_a_request_has_its_system_prompt_apart_and_its_fields_beside() -> None:
    request = _claude("Hello", temperature=0.5)

    assert [message.role for message in request.messages] == ["system", "user"]
    assert len(request.system) == 1
    assert [tool.name for tool in request.tools] == ["Read"]
    assert dict(request.parameters) == {"model": "claude", "max_tokens": 9, "temperature": 0.5}


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"", "It came without a body."),
        (b"{", "The body is not a JSON object."),
        (b'{"model": "m", "messages": 7}', "The body breaks the rules of its API: messages"),
        (b'{"model": "m", "messages": [{"role": "user", "content": [7]}]}', "The body "),
    ],
)
def test_a_body_that_is_none_says_why(data: bytes, note: str) -> None:
    request = read_request("openai_chat", Body(data=data))

    assert request.messages == ()
    assert (request.note or "").startswith(note)


def test_a_body_that_was_recorded_in_part_says_so() -> None:
    request = read_request("openai_chat", Body(data=b'{"model": "m", "mess', size=1_000))

    assert request.note == "Only 20 of the body's 1,000 bytes were recorded."


def test_a_providers_body_is_known_by_its_address() -> None:
    body = Body(
        data=json.dumps({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}).encode()
    )

    assert read_request(None, body, "https://api.example/v1/messages").messages[0].role == "user"


def test_the_turn_that_follows_adds_to_the_one_before() -> None:
    found = _changes(_claude("a"), _claude("a", "b", "c"))

    assert found.steps == (Step("same", (0, 2), (0, 2)), Step("added", (2, 2), (2, 4)))
    assert found.is_prefix_kept


def test_marks_for_a_cache_are_no_change() -> None:
    marked = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    request = read_request(
        "anthropic_messages",
        Body(
            data=json.dumps(
                {"model": "c", "max_tokens": 9, "system": marked, "messages": [{"role": "user", "content": "a"}]}
            ).encode()
        ),
    )

    assert [step.kind for step in _changes(_claude("a"), request).steps] == ["same"]


def test_a_changed_system_prompt_and_other_tools_are_named() -> None:
    found = _changes(
        _claude("a"), _claude("a", "b", system="Be long.", tools=[{**TOOL, "name": "Write"}], temperature=1.0)
    )

    assert [step.kind for step in found.steps] == ["changed", "same", "added"]
    assert (found.tools_added, found.tools_removed) == (("Write",), ("Read",))
    assert found.parameters_changed == ("temperature",)
    assert not found.is_prefix_kept


def test_a_request_goes_on_from_the_one_with_most_in_common() -> None:
    def prints(*texts: str) -> Fingerprints:
        return fingerprints(_claude(*texts))

    main, title, other = prints("a", "b", "c"), prints("Find a title"), prints("x", "y", "z")

    assert predecessor([main, title, other], prints("a", "b", "c", "d", "e")) == 0
    assert predecessor([main, title, other], prints("x", "y", "z", "d", "e")) == 2
    assert predecessor([main, title], prints("p", "q", "r")) is None
    assert predecessor([], main) is None


def test_thousands_of_messages_that_repeat_each_other_take_little_time() -> None:
    began = time.monotonic()
    one, other = b"one", b"other"
    before = Fingerprints((one, other) * 2_000, 0)
    added = changes(before, Fingerprints((*before.messages, other), 0))
    mixed = changes(before, Fingerprints((other, other, one) * 2_000, 0))

    assert [step.kind for step in added.steps] == ["same", "added"]
    assert sum(step.now[1] - step.now[0] for step in mixed.steps) == 6_000
    assert time.monotonic() - began < 5

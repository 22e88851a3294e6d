"""A provider's own Responses events, of which some were changed."""

import json
from typing import Any

from app.errors import UpstreamTruncated
from app.messages import Received, Usage, part_of
from tests.unit.dialects.legality import events
from tests.unit.dialects.native_streams import NativeStream, changed, inserted
from tests.unit.dialects.openai_responses.events import (
    added,
    called,
    done,
    ended,
    message,
    part_added,
    stream,
    text_delta,
    text_done,
    text_events,
    thought,
)
from tests.unit.dialects.openai_responses.legality import ResponsesStream, check_responses


def _edited(made: NativeStream, *changes: int) -> list[Received]:
    return [changed(chunk) if at in changes else chunk for at, chunk in enumerate(made.chunks)]


def _check(made: NativeStream, chunks: list[Received]) -> tuple[list[dict[str, Any]], ResponsesStream]:
    body = made.render(chunks)
    return [json.loads(event.data) for event in events(body)], check_responses(body, native=True)


def _at(made: NativeStream, kind: str) -> int:
    return next(at for at, event in enumerate(made.events) if isinstance(event, dict) and event["type"] == kind)


def test_a_changed_text_is_changed_wherever_it_stands() -> None:
    made = stream(text_events("my ", "secret"), called("{}", at=1))
    sent, checked = _check(made, _edited(made, 5))
    assert checked.text() == "my SECRET"
    assert "secret" not in json.dumps(sent)
    assert checked.response is not None
    assert checked.response["output"][0]["content"][0]["text"] == "my SECRET"
    assert checked.response["metadata"] == {"team": "blue"}


def test_what_was_before_the_edit_is_the_providers_byte_for_byte() -> None:
    made = stream(text_events("a", "b"))
    before = b"".join(chunk.native.raw for chunk in made.chunks[:5] if chunk.native)
    assert made.render(_edited(made, 5)).startswith(before)


def test_log_probabilities_of_a_changed_text_are_those_that_were_sent() -> None:
    logprobs: list[dict[str, Any]] = [
        {"token": token, "logprob": -1, "bytes": [], "top_logprobs": []} for token in ("a", "secret")
    ]
    one, other = (text_delta(str(one["token"]), logprobs=[one]) for one in logprobs)
    ends = text_done("asecret", logprobs=logprobs)
    item = message(content=[ends[1]["part"]])
    made = stream([added(message()), part_added(), one, other, *ends, done(item)])
    sent, _ = _check(made, _edited(made, 5))
    assert "secret" not in json.dumps(sent)
    assert [event["logprobs"] for event in sent if event["type"] == "response.output_text.done"] == [[logprobs[0]]]


def test_an_output_text_beside_the_output_says_what_was_sent() -> None:
    made = stream(text_events("secret"), ended(message("secret"), output_text="secret"))
    sent, _ = _check(made, _edited(made, 4))
    assert sent[-1]["response"]["output_text"] == "SECRET"


def test_an_item_that_was_dropped_is_gone_and_later_ones_are_numbered_anew() -> None:
    made = stream(called("{}", at=0), called("[]", at=1, name="write"))
    sent, checked = _check(made, [*made.chunks[:2], *made.chunks[6:]])
    assert checked.calls() == [{"id": "c1", "name": "write", "arguments": "[]"}]
    assert {event["output_index"] for event in sent if "output_index" in event} == {0}
    assert checked.response is not None
    assert [item["id"] for item in checked.response["output"]] == ["fc_1"]


def test_of_a_call_whose_beginning_is_gone_nothing_is_left() -> None:
    made = stream(called("{}", at=0), text_events("a", at=1))
    del made.chunks[2]
    _, checked = _check(made, made.chunks)
    assert [item.kind for item in checked.items] == ["message"]


def test_a_part_that_was_dropped_is_gone_from_its_item() -> None:
    item = message(content=[text_done("a")[1]["part"], text_done("b", number=1)[1]["part"]])
    first = [part_added(), text_delta("a"), *text_done("a")]
    second = [part_added(number=1), text_delta("b", number=1), *text_done("b", number=1)]
    made = stream([added(message()), *first, *second, done(item)])
    sent, checked = _check(made, [*made.chunks[:3], *made.chunks[7:]])
    assert checked.text() == "b"
    assert {event["content_index"] for event in sent if "content_index" in event} == {0}


def test_text_that_is_put_in_goes_into_the_part_at_hand() -> None:
    made = stream(text_events("a", "b"))
    chunks = [*made.chunks[:5], inserted("text", made.chunks[4], 1), *made.chunks[5:]]
    _, checked = _check(made, chunks)
    assert checked.text() == "a<1>b"
    assert len(checked.items) == 1


def test_a_call_that_is_put_in_is_an_item_between_the_providers() -> None:
    made = stream(text_events("a"), called("{}", at=1))
    at = _at(made, "response.output_item.done") + 1
    chunks = [*made.chunks[:at], inserted("call", made.chunks[at], 1), *made.chunks[at:]]
    _, checked = _check(made, chunks)
    assert [call["id"] for call in checked.calls()] == ["own1", "c1"]
    assert [item.kind for item in checked.items] == ["message", "function_call", "function_call"]


def test_what_a_policy_says_last_comes_before_the_end() -> None:
    made = stream(text_events("a"))
    _, checked = _check(made, [*made.chunks, inserted("text", made.chunks[-1], 1)])
    assert checked.text() == "a<1>"


def test_an_end_that_a_policy_dropped_is_made_anew() -> None:
    made = stream(text_events("a"))
    usage = part_of(made.chunks[0].chunk, (), Usage(prompt_tokens=1, completion_tokens=2))
    sent, checked = _check(made, [*made.chunks[:-1], Received(usage)])
    assert sent[-1]["type"] == "response.completed"
    assert checked.response is not None
    assert checked.response["usage"]["total_tokens"] == 3
    assert checked.response["metadata"] == {"team": "blue"}


def test_reasoning_keeps_what_only_the_provider_can_read_when_its_summary_is_changed() -> None:
    made = stream(thought("secret", encrypted_content="gAAA"), called("{}", at=1))
    sent, checked = _check(made, _edited(made, _at(made, "response.reasoning_summary_text.delta")))
    assert "secret" not in json.dumps(sent)
    assert checked.items[0].done is not None
    assert checked.items[0].done["encrypted_content"] == "gAAA"


def test_events_that_nobody_knows_go_on_with_new_numbers() -> None:
    shell = {"id": "sh_1", "type": "shell_call", "status": "completed"}
    delta = {"type": "response.shell_call_command.delta", "output_index": 1, "delta": "ls"}
    made = stream(text_events("secret"), [added(shell, 1), delta, done(shell, 1)], {"type": "keepalive"})
    sent, _ = _check(made, [*made.chunks[:2], *made.chunks[8:]])
    assert [event["output_index"] for event in sent if event["type"] == delta["type"]] == [0]
    assert [event["type"] for event in sent][-2:] == ["keepalive", "response.completed"]


def test_an_item_that_a_provider_never_ends_stands_in_the_output_as_the_provider_has_it() -> None:
    listed = {"id": "mcpl_0", "type": "mcp_list_tools", "tools": []}
    made = stream(added(listed), text_events("secret", at=1), ended({**listed, "tools": ["x"]}, message("secret", 1)))
    _, checked = _check(made, _edited(made, 5))
    assert checked.response is not None
    assert [item.get("tools") for item in checked.response["output"]] == [["x"], None]


def test_after_the_first_response_another_one_goes_on_byte_for_byte_only() -> None:
    made = stream(text_events("a"), ended(message("a")), text_events("b"), ended(message("b")))
    assert made.render(made.chunks) == made.body
    _, checked = _check(made, _edited(made, 4))
    assert checked.text() == "A"


def test_an_error_in_a_stream_counts_on_from_its_last_event() -> None:
    made = stream(text_events("a"))
    formatter = made.formatter()
    body = b"".join([formatter.format(chunk) for chunk in made.chunks[:5]])
    body += formatter.keepalive() + formatter.fail(UpstreamTruncated("It broke off."))
    checked = check_responses(body, native=True)
    assert checked.error is not None
    assert checked.response is not None
    assert checked.response["metadata"] == {"team": "blue"}


def test_a_text_whose_item_nobody_announced_is_whole_in_the_end() -> None:
    made = stream(text_delta("my "), text_delta("secret"), ended())
    sent, checked = _check(made, _edited(made, 3))
    assert checked.text() == "my SECRET"
    assert checked.response is not None
    assert checked.response["output"][0]["content"][0]["text"] == "my SECRET"
    assert "secret" not in json.dumps(sent)

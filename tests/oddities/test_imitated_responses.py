"""Servers that imitate the Responses API: items that nobody announces, fields of another form, ends that are none."""

from typing import Any

from tests.oddities.client_views import Call
from tests.oddities.table import WAYS, Case, Expected, Table, Way, over, responses_events, responses_whole, sse
from tests.unit.dialects.native_streams import Event
from tests.unit.dialects.openai_responses.events import (
    added,
    call_item,
    called,
    created,
    done,
    ended,
    message,
    text_delta,
    text_done,
    text_part,
)
from tests.upstream import Script

WELL = Expected(text="well", finish="stop")
CALLED = Expected(calls=[Call("read", {"a": 1})], finish="tool_calls")
CUT = Expected(error="", outcome="upstream_error")
PIECE: Event = {"type": "response.function_call_arguments.delta", "item_id": "fc_0", "output_index": 0}


def played(*events: Event) -> Script:
    """These events alone, numbered."""
    return sse(*({**one, "sequence_number": at} for at, one in enumerate(events)))


def without(event: Event, *names: str) -> Event:
    return {name: value for name, value in event.items() if name not in names}


def last(*output: Any, **fields: Any) -> Event:
    return ended(*output, **fields)


STRING = message("well", content="well")
STRINGS = message("well", content=["we", "ll"])
PART_ADDED: Event = {"type": "response.content_part.added", "item_id": "msg_0", "output_index": 0, "content_index": 0}
NO_DELTAS = tuple(way for way in WAYS if not (way.client == "responses" and way.stream))
"""What comes in no deltas goes on so to a client of this API."""
CASES = [
    Case(
        "content is a text",
        played(*created(), added(message()), done(STRING), last(STRING)),
        responses_whole(STRING),
        WELL,
        "responses",
        ways=NO_DELTAS,
    ),
    Case(
        "content of texts",
        played(*created(), done(STRINGS), last(STRINGS)),
        responses_whole(STRINGS),
        WELL,
        "responses",
        ways=NO_DELTAS,
    ),
    Case(
        "content is a text in the end alone", played(*created(), last(STRING)), None, WELL, "responses", ways=NO_DELTAS
    ),
    Case(
        "a part is a text",
        played(
            *created(),
            added(message()),
            {**PART_ADDED, "part": text_part()},
            text_delta("well"),
            {**PART_ADDED, "type": "response.content_part.done", "part": "well"},
            done(message("well")),
            last(message("well")),
        ),
        None,
        WELL,
        "responses",
        ways=NO_DELTAS,
    ),
    Case(
        "arguments are an object",
        played(
            *created(),
            added(call_item()),
            {**without(PIECE, "type"), "type": "response.function_call_arguments.done", "arguments": {"a": 1}},
            done(call_item({"a": 1})),
            last(call_item({"a": 1})),
        ),
        responses_whole(call_item({"a": 1})),
        CALLED,
        "responses",
    ),
    Case(
        "pieces are an object",
        played(
            *created(),
            added(call_item()),
            {**PIECE, "delta": {"a": 1}},
            done(call_item('{"a": 1}')),
            last(call_item('{"a": 1}')),
        ),
        None,
        CALLED,
        "responses",
    ),
    Case(
        "arguments are null",
        played(
            *created(),
            added(call_item(None)),
            {**PIECE, "delta": '{"a": 1}'},
            done(call_item('{"a": 1}')),
            last(call_item('{"a": 1}')),
        ),
        None,
        CALLED,
        "responses",
    ),
    Case("texts alone", played(*created(), text_delta("we"), text_delta("ll"), last()), None, WELL, "responses"),
    Case(
        "texts alone, and the message in the end",
        played(*created(), text_delta("we"), text_delta("ll"), last(message("well"))),
        None,
        WELL,
        "responses",
    ),
    Case(
        "texts alone, and their end",
        played(*created(), text_delta("we"), text_delta("ll"), *text_done("well"), last(message("well"))),
        None,
        WELL,
        "responses",
    ),
    Case(
        "texts alone without numbers",
        played(
            *created(), *(without(text_delta(text), "output_index", "content_index") for text in ("we", "ll")), last()
        ),
        None,
        WELL,
        "responses",
    ),
    Case(
        "texts without anything",
        played(*created(), *({"type": "response.output_text.delta", "delta": text} for text in ("we", "ll")), last()),
        None,
        WELL,
        "responses",
    ),
    Case("no beginning", played(text_delta("we"), text_delta("ll"), last(message("well"))), None, WELL, "responses"),
    Case(
        "texts alone, and a call in the end",
        played(*created(), text_delta("well"), last(message("well"), call_item('{"a": 1}', 1))),
        None,
        Expected(text="well", calls=[Call("read", {"a": 1})], finish="tool_calls"),
        "responses",
    ),
    Case(
        "pieces of a call alone",
        played(*created(), {**PIECE, "delta": '{"a":'}, {**PIECE, "delta": "1}"}, last(call_item('{"a":1}'))),
        None,
        CALLED,
        "responses",
    ),
    Case("pieces of no call", played(*created(), {**PIECE, "delta": '{"a":1}'}, last()), None, CUT, "responses"),
    Case(
        "a call behind a message",
        responses_events(
            *[added(message()), text_delta("well"), *text_done("well"), done(message("well"))], called('{"a": 1}', at=1)
        ),
        None,
        Expected(text="well", calls=[Call("read", {"a": 1})], finish="tool_calls"),
        "responses",
    ),
    Case(
        "nulls",
        played(
            *created(),
            added(message(content=None)),
            text_delta("well", logprobs=None, item_id=None),
            {**text_delta("well"), "delta": None},
            {**text_done("well")[0], "text": None},
            done(message("well", annotations=None)),
            last(message("well"), usage=None),
        ),
        responses_whole(
            message("well", content=[text_part("well", annotations=None, logprobs=None)]), usage=None, tools=None
        ),
        WELL,
        "responses",
    ),
    Case(
        "fields of a wrong type",
        played(
            *created(),
            added(message()),
            text_delta("we", logprobs={}),
            {**text_delta("ll"), "item_id": 7, "output_index": "0", "content_index": 0.0},
            done(message("well")),
            last(message("well")),
        ),
        responses_whole(
            message("well", content=[text_part("well", annotations={}, logprobs={})]), id=7, model=None, created_at="x"
        ),
        WELL,
        "responses",
    ),
    Case(
        "output is null",
        played(*created(), added(message()), text_delta("well"), done(message("well")), last(output=None)),
        None,
        WELL,
        "responses",
    ),
    Case(
        "no end",
        played(*created(), added(message()), text_delta("well"), done(message("well"))),
        None,
        Expected(error="", outcome="upstream_error", text="well"),
        "responses",
    ),
    Case("in progress", None, responses_whole(message("well"), status="in_progress"), CUT, "responses"),
    Case("queued", None, responses_whole(status="queued"), CUT, "responses"),
    Case(
        "in progress at the end",
        played(
            *created(),
            added(message()),
            text_delta("well"),
            done(message("well")),
            {**last(message("well"), status="in_progress")},
        ),
        None,
        Expected(error="", outcome="upstream_error", text="well"),
        "responses",
    ),
]


@over(CASES)
def test_an_imitation_of_the_responses_api_is_read_as_what_it_means(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)

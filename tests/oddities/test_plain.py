"""What no provider does oddly comes out the same in every way: else no expectation of the table means anything."""

from tests.oddities.client_views import Call
from tests.oddities.table import (
    Case,
    Expected,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    messages_events,
    messages_whole,
    over,
    responses_events,
    responses_whole,
)
from tests.unit.dialects.openai_responses.events import call_item, called, message, text_events

_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
_CALLED = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"at": 1}'}}
_CALLS = [Call("read", {"at": 1})]
_BLOCK = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"at": 1}}

CASES = [
    Case(
        "chat text",
        chat_events(delta(content="so"), delta(content=" it is"), delta(finish="stop"), usage=_USAGE),
        chat_whole({"content": "so it is"}),
        Expected(text="so it is", finish="stop", tokens=(9, 4)),
    ),
    Case(
        "chat call",
        chat_events(delta(tool_calls=[{"index": 0, **_CALLED}]), delta(finish="tool_calls"), usage=_USAGE),
        chat_whole({"content": None, "tool_calls": [_CALLED]}, finish="tool_calls"),
        Expected(calls=_CALLS, finish="tool_calls", tokens=(9, 4)),
    ),
    Case(
        "messages text",
        messages_events(({"type": "text", "text": ""}, [{"type": "text_delta", "text": "so it is"}])),
        messages_whole([{"type": "text", "text": "so it is"}]),
        Expected(text="so it is", finish="stop", tokens=(9, 4)),
        model="messages",
    ),
    Case(
        "messages call",
        messages_events(
            ({**_BLOCK, "input": {}}, [{"type": "input_json_delta", "partial_json": '{"at": 1}'}]), stop="tool_use"
        ),
        messages_whole([_BLOCK], stop="tool_use"),
        Expected(calls=_CALLS, finish="tool_calls", tokens=(9, 4)),
        model="messages",
    ),
    Case(
        "responses text",
        responses_events(text_events("so it is")),
        responses_whole(message("so it is")),
        Expected(text="so it is", finish="stop"),
        model="responses",
    ),
    Case(
        "responses call",
        responses_events(called('{"at": 1}')),
        responses_whole(call_item('{"at": 1}')),
        Expected(calls=_CALLS, finish="tool_calls"),
        model="responses",
    ),
]


@over(CASES)
def test_a_plain_answer_is_the_same_for_every_client(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)

"""A conversation is told of word by word, each word once, whether it is looked at while it goes on or afterwards."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.console.following.follower import Follower
from app.live_view.speech import Speech, SpeechEvent, TurnBegan, TurnEnded, TurnLost
from app.recorder.capture import TransactionUnderWay
from app.recorder.recording import Body, Piece, TokenCounts
from tests.unit.recorder.built import recording

CALL = {"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": '{"command": "pytest -q"}'}}
FIRST: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Fix the test."}]
SECOND = [
    *FIRST,
    {"role": "assistant", "content": "I run it.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "3 failed\n" * 200},
]


def body(messages: Sequence[dict[str, Any]]) -> Body:
    data = json.dumps({"model": "chat", "messages": messages, "tools": []}).encode()
    return Body(data=data, size=len(data))


def chunk(**delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


ANSWER = b"".join(
    [
        chunk(role="assistant", reasoning_content="Let me "),
        chunk(reasoning_content="look."),
        chunk(content="I run"),
        chunk(content=" it."),
        chunk(tool_calls=[{"index": 0, **CALL}]),
        b"data: [DONE]\n\n",
    ]
)


def under_way_now(
    request: Body, answer: Sequence[Piece] = (), transaction_id: str = "txn_1", started_at: float = 1000.0
) -> TransactionUnderWay:
    return TransactionUnderWay(
        transaction_id=transaction_id,
        trace_id="1" * 32,
        started_at=started_at,
        seconds=1.0,
        api="openai_chat",
        model="chat",
        stream=True,
        key=None,
        conversation="c1",
        agent=None,
        request=request,
        answer=tuple(answer),
    )


def speeches(events: Iterable[SpeechEvent]) -> list[tuple[str, str, str]]:
    """Role, kind and text of each block, its pieces joined."""
    blocks: dict[tuple[str, int], list[Speech]] = {}
    for event in events:
        if isinstance(event, Speech):
            blocks.setdefault((event.turn, event.block), []).append(event)
    return [(all[0].role, all[0].kind, "".join(one.text for one in all)) for all in blocks.values()]


WHOLE = [
    ("note", "note", "a system prompt of 9 characters, and 0 tools"),
    ("user", "text", "Fix the test."),
    ("assistant", "thinking", "Let me look."),
    ("assistant", "text", "I run it."),
    ("assistant", "call", 'command="pytest -q"'),
]


@given(st.lists(st.integers(0, len(ANSWER)), max_size=6))
def test_whenever_it_is_looked_at_each_word_is_told_once(cuts: list[int]) -> None:
    follower = Follower()
    events: list[SpeechEvent] = []
    for cut in sorted(cuts):
        events += follower.under_way(under_way_now(body(FIRST), [Piece(1.0, ANSWER[:cut])]))
    ended = recording(request=body(FIRST), answer=(Piece(1.0, ANSWER),), outcome="ok")
    events += follower.recorded(ended)
    assert speeches(events) == WHOLE
    assert [type(event) for event in events if not isinstance(event, Speech)] == [TurnBegan, TurnEnded]


def test_an_answer_is_told_of_while_it_is_written() -> None:
    follower = Follower()
    at = ANSWER.index(b" it.")
    events = follower.under_way(under_way_now(body(FIRST), [Piece(1.0, ANSWER[:at])]))
    assert speeches(events)[-1] == ("assistant", "text", "I run")


def test_of_the_next_turn_only_what_is_new_is_told_and_results_in_brief() -> None:
    follower = Follower()
    follower.recorded(recording(request=body(FIRST), answer=(Piece(1.0, ANSWER),), outcome="ok"))
    ((role, kind, text),) = speeches(follower.under_way(under_way_now(body(SECOND), transaction_id="txn_2")))
    assert (role, kind) == ("tool", "result")
    assert text.splitlines() == [*["3 failed"] * 5, "… and 195 more lines"]


def test_somebody_who_comes_late_is_told_what_he_missed_in_brief() -> None:
    long = [*FIRST, *[{"role": "user", "content": f"number {n}"} for n in range(20)]]
    found = speeches(Follower().under_way(under_way_now(body(long))))
    assert ("note", "note", "17 messages before these") in found
    assert found[-1] == ("user", "text", "number 19")


def test_a_request_that_is_masked_until_policies_have_read_it_is_told_of_with_the_first_of_the_answer() -> None:
    follower = Follower(masks=True)
    unread, read = ([{"role": "user", "content": f"mail {text} me"}] for text in ("*" * 15, "[EMAIL]"))
    assert speeches(follower.under_way(under_way_now(body(unread)))) == []
    events = follower.under_way(under_way_now(body(read), [Piece(1.0, ANSWER[:150])]))
    assert speeches(events)[0] == ("user", "text", "mail [EMAIL] me")


def test_a_turns_end_has_its_figures() -> None:
    tokens = TokenCounts(input=10, cache_read=90, output=5, reasoning=2)
    events = Follower().recorded(recording(request=body(FIRST), tokens=tokens, cost_usd=0.5, detail="it was cut"))
    end = events[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.input_tokens, end.cached_tokens, end.output_tokens) == ("upstream_error", 100, 90, 7)
    assert (end.cost_usd, end.detail) == (0.5, "it was cut")


def test_a_turn_of_which_nothing_was_recorded_ends_too() -> None:
    follower = Follower()
    follower.under_way(under_way_now(body(FIRST)))
    assert follower.open_turns == ("txn_1",)
    assert follower.lost("txn_1") == [TurnLost(turn="txn_1")]
    assert follower.lost("txn_1") == []


def test_bodies_that_nobody_can_read_are_no_error() -> None:
    for odd in (b"", b"\xff\xfe", b"[1, 2]", b'{"messages": 3}', b"{" * 100):
        events = Follower().recorded(recording(request=Body(data=odd, size=9), answer=(Piece(1.0, odd),)))
        assert isinstance(events[-1], TurnEnded)

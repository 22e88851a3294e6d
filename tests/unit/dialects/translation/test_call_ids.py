import re

import pytest

from app.dialects.translation.call_ids import CallIdForm, CallIds, prefix_of, with_fitting_ids
from app.messages import Function, InputMessage, Request, TextPart, ToolCall, ToolCallPart, ToolResultPart

_NINE = CallIdForm(re.compile("[a-zA-Z0-9]{9}"), 9, exact=True)
_ONCE = CallIdForm(re.compile("[a-zA-Z0-9_-]+"), 64, unique=True)


def _turns(*turns: list[str]) -> Request:
    messages: list[InputMessage] = []
    for ids in turns:
        messages.append(InputMessage("assistant", tuple(ToolCallPart(id, "read", "{}") for id in ids)))
        messages += [InputMessage("tool", (ToolResultPart(id, (TextPart(f"{at}"),)),)) for at, id in enumerate(ids)]
    return Request(dialect="openai_chat", model="m", messages=tuple(messages))


def _ids(request: Request) -> tuple[list[str], list[str]]:
    parts = [part for message in request.messages for part in message.parts]
    return (
        [part.id for part in parts if isinstance(part, ToolCallPart)],
        [part.tool_call_id for part in parts if isinstance(part, ToolResultPart)],
    )


def test_ids_that_fit_leave_the_request_as_it_is() -> None:
    request = _turns(["D681PevKs"], ["a23456789"])
    assert with_fitting_ids(request, _NINE) is request


def test_mistral_gets_nine_letters_and_digits_the_same_ones_each_time() -> None:
    calls, results = _ids(with_fitting_ids(_turns(["call_abcdef", "D681PevKs"], ["toolu_1"]), _NINE))
    assert calls == results
    assert len(set(calls)) == 3
    assert calls[1] == "D681PevKs"
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", id) for id in calls)
    assert _ids(with_fitting_ids(_turns(["call_abcdef"]), _NINE))[0] == calls[:1]


@pytest.mark.parametrize("turns", [(["a", "a"],), (["a"], ["a"]), (["a", "b"], ["b", "a"]), (["", ""], ["a.b", "a_b"])])
def test_each_call_has_an_id_of_its_own_and_its_result_goes_with_it(turns: tuple[list[str], ...]) -> None:
    calls, results = _ids(with_fitting_ids(_turns(*turns), _ONCE))
    assert calls == results
    assert len(set(calls)) == len(calls)


def test_a_long_id_is_cut_and_stays_another_than_one_that_begins_alike() -> None:
    calls, _ = _ids(with_fitting_ids(_turns(["x" * 80 + "1", "x" * 80 + "2"]), CallIdForm(re.compile(".{1,40}"), 40)))
    assert [len(id) for id in calls] == [40, 40]
    assert calls[0] != calls[1]


@pytest.mark.parametrize(
    ("id", "is_kept"),
    [
        ("call_abc", True),
        ("call_5", True),
        ("call_a1b2c3", True),
        ("read_a1b2", True),
        ("functions.read:3", True),
        ("call_0", False),
        ("0", False),
        ("read", False),
        ("call_read_0", False),
        ("functions.read:0", False),
        ("", False),
    ],
)
def test_an_id_that_says_no_more_than_position_or_name_is_replaced(id: str, is_kept: bool) -> None:
    ids = CallIds(prefix_of("txn_abcdef"), _turns())
    given = ids.give(ToolCall(0, id, function=Function("read")), 0)
    assert given == (id if is_kept else "call_abcdef_0")


def test_an_id_that_was_there_is_replaced() -> None:
    ids = CallIds(prefix_of("txn_abcdef", "toolu", choice=1), _turns(["call_7"]))
    calls = [ToolCall(at, id, function=Function("read")) for at, id in enumerate(("call_7", "x9", "x9"))]
    assert [ids.give(call, call.index) for call in calls] == ["toolu_abcdef_1_0", "x9", "toolu_abcdef_1_2"]

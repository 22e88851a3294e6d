from app.backends.call_arguments import CallArguments
from app.messages import Function, ToolCall


def call(index: int, arguments: str, id: str | None = None, type: str = "function") -> ToolCall:
    return ToolCall(index, id, type, Function(arguments=arguments))


def invalid(*calls: ToolCall) -> int:
    arguments = CallArguments()
    for one in calls:
        arguments.add(0, [one])
    return arguments.invalid()


def test_pieces_are_judged_together() -> None:
    assert invalid(call(0, "", "a"), call(0, '{"x":'), call(0, "1}")) == 0
    assert invalid(call(0, "", "a"), call(0, '{"x":'), call(0, "1")) == 1


def test_calls_that_take_turns_are_told_apart() -> None:
    assert invalid(call(0, '{"x":', "a"), call(1, '{"y":', "b"), call(0, "1}"), call(1, "2}")) == 0


def test_choices_are_told_apart() -> None:
    arguments = CallArguments()
    arguments.add(0, [call(0, '{"x":', "a")])
    arguments.add(1, [call(0, "{}", "a")])
    arguments.add(0, [call(0, "1}")])
    assert arguments.invalid() == 0


def test_another_id_at_the_same_index_is_another_call() -> None:
    assert invalid(call(0, "{}", "a"), call(0, "{}", "b"), call(0, "{", "c")) == 1


def test_an_id_that_is_repeated_is_the_same_call() -> None:
    assert invalid(call(0, '{"x":', "a"), call(0, "1}", "a")) == 0


def test_a_call_without_arguments_is_none_that_is_wrong() -> None:
    assert invalid(call(0, "", "a"), call(1, " ", "b")) == 0


def test_other_calls_than_those_of_functions_have_no_json() -> None:
    assert invalid(call(0, "apply this", "a", type="custom")) == 0


def test_of_a_flood_nothing_is_told() -> None:
    assert invalid(*[call(0, "x" * 300_000)] * 5) == 0

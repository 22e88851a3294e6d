"""Problems as people read them."""

from app.configuration import Problem, grouped


def test_thousands_of_equal_warnings_are_told_once() -> None:
    same = [Problem("f", line, f"model_list[{line}].litellm_params.rpm", "not supported") for line in range(1, 4)]
    other = Problem("f", 9, "x", "not supported")
    assert grouped([*same, other]) == [
        Problem("f", 1, "model_list[1].litellm_params.rpm", "not supported (and 2 more)"),
        other,
    ]

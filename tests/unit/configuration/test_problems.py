"""Problems as people read them."""

from app.configuration import Problem, grouped
from app.configuration.problems import in_order


def test_thousands_of_equal_warnings_are_told_once() -> None:
    same = [Problem("f", line, f"model_list[{line}].litellm_params.rpm", "not supported") for line in range(1, 4)]
    other = Problem("f", 9, "x", "not supported")
    assert grouped([*same, other]) == [
        Problem("f", 1, "model_list[1].litellm_params.rpm", "not supported (and 2 more)"),
        other,
    ]


def test_problems_are_told_in_the_order_of_the_files_and_their_lines() -> None:
    problems = [Problem("a.yaml", 2, "", ""), Problem("main.yaml", 9, "", ""), Problem("main.yaml", 3, "", "")]
    assert [str(problem) for problem in in_order(problems, "main.yaml")] == [
        "main.yaml:3: ",
        "main.yaml:9: ",
        "a.yaml:2: ",
    ]

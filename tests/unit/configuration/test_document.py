"""YAML to plain data: what is refused by line, and how scalars are read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import ConfigurationRefused
from app.configuration.document import plain
from tests.unit.configuration.reading import MODEL, problems, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  [", "f.yaml:3: did not find expected node content"),
        ("a: 1\nb: *x\n", "f.yaml:2: no anchor &x before this alias"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: a second document; one file has one"),
        ("? [a]\n: b\n", "f.yaml:1: a key must be text; a template ({{ ... }}) has to be rendered first"),
        ("a: &x [*x]\n", "f.yaml:1: no anchor &x before this alias"),
        ("<<: 3\n", "f.yaml:1: << takes a mapping"),
        ("a: \x07", "f.yaml:1: not YAML: control characters are not allowed"),
        ("[" * 100_000, "f.yaml:1: nested too deeply"),
        ("a:\n\tb: 1\n", "f.yaml:2: a tab; YAML is indented with spaces"),
        ("a:\n- b\n\t- c\n", "f.yaml:3: a tab; YAML is indented with spaces"),
        ("a: @b\n", "f.yaml:1: no value begins with @ unless it stands in quotes"),
        ("- a\n", "f.yaml:1: expected a mapping with model_list"),
    ],
)
def test_what_is_not_yaml_is_refused_by_line(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_key_that_stands_twice_is_refused_at_the_second() -> None:
    text = MODEL + "gateway:\n  server: {port: 1}\n  server: {port: 2}\n"
    assert problems(text) == ["f.yaml:4: gateway.server: stands here a second time"]


def test_anchors_and_merge_keys_work_as_in_yaml() -> None:
    text = """\
shared: &shared {model: groq/x, api_key: k, temperature: 0}
model_list:
  - {model_name: a, litellm_params: *shared}
  - {model_name: b, litellm_params: {<<: *shared, temperature: 1}}
"""
    assert [str(one) for one in read(text).warnings] == ["f.yaml:1: shared: unknown section; it changes nothing"]
    assert [each.params["temperature"] for each in read(text).settings.deployments] == [0, 1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("yes", True),
            ("Off", False),
            ("~", None),
            ("", None),
            ("NULL", None),
            ("0x1F", 31),
            ("010", 8),
            ("0b11", 3),
        ),
        *(("1_", 1), ("1__0", 10), ("0x_", "0x_"), ("0x_f", 15), ("0b_", "0b_"), ("0o_", "0o_")),
        *(("1_000", 1000), ("-5", -5), ("1e-6", 1e-6), ("1.5", 1.5), (".5", 0.5), ("-.inf", float("-inf"))),
        *(("2024-06-01", "2024-06-01"), ("1.2.3", "1.2.3"), ("+", "+"), ("0x", "0x"), ("12ab", "12ab"), ("y", "y")),
    ],
)
def test_plain_scalars_are_read_as_litellms_files_mean_them(text: str, value: Any) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


@given(st.text(max_size=80))
def test_any_text_is_either_taken_or_refused_with_problems(text: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        read(text)
    assert refused.value.problems

"""docs/configuration.md is what the settings and `flowspan check` make of it, and leaves out nothing."""

import pytest
import yaml
from msgspec import Struct

from app.configuration import parse
from app.configuration.guards import GUARDS
from app.configuration.litellm_names import GENERAL, LITELLM, ROUTER, TOP
from tests.unit.configuration_page import PAGE, all_sections, does, meanings, page
from tests.unit.litellm_keys_examples import EXAMPLES, Example, configuration_of, outcome


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.unit.configuration_page"


@pytest.mark.parametrize(("path", "kind"), [*all_sections()], ids=lambda value: str(value))
def test_every_key_has_a_meaning(path: str, kind: type[Struct]) -> None:
    assert [f"{path}.{name}" for name in kind.__struct_fields__ if not meanings(kind).get(name)] == []
    assert kind.__doc__


def test_at_least_forty_of_litellms_keys_are_told_of() -> None:
    assert len({example.key for example in EXAMPLES}) > 60


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.key}={example.value}")
def test_something_is_said_of_every_example(example: Example) -> None:
    kind, text = outcome(example)
    assert text or (kind == "read" and does(example))


def test_an_example_that_is_no_guard_is_refused_for_nothing_but_its_own_value() -> None:
    refused = {example.key for example in EXAMPLES if outcome(example)[0] == "**error**"}
    misspelt = {"model_list.litellm_params.model", "general_settings.master_key"}
    assert refused - GUARDS.keys() == misspelt


def test_nothing_is_said_of_keys_of_litellms_that_ask_for_nothing() -> None:
    sections = {"general_settings": GENERAL, "litellm_settings": LITELLM, "router_settings": ROUTER}
    models = yaml.safe_load(configuration_of(EXAMPLES[0]))
    empty = {section: dict.fromkeys(names) for section, names in sections.items()}
    text = yaml.safe_dump({**models, **empty, **dict.fromkeys(TOP)})
    assert parse(text, "f.yaml", {"OPENAI_API_KEY": "k"}).warnings == ()

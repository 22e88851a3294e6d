"""docs/simulated-models.md has every word and every param, and each is read as it is written there."""

import re
from pathlib import Path

import pytest

from app.backends.simulated import Fault, Scenario, read_scenario
from app.backends.simulated.scenario import WORDS

PAGE = (Path(__file__).parents[4] / "docs" / "simulated-models.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([a-z-]+?)(?:-([A-Z]+))?` \| (.*) \|$", PAGE.partition("| param |")[0], re.MULTILINE)
PARAMS = re.findall(r"^\| (`.*?) \| (.*) \|$", PAGE.partition("| param |")[2], re.MULTILINE)


def test_every_word_is_on_the_page_once() -> None:
    assert sorted(word for word, *_ in ROWS) == WORDS


@pytest.mark.parametrize(("word", "number", "meaning"), ROWS)
def test_a_word_takes_a_number_where_the_page_has_one(word: str, number: str, meaning: str) -> None:
    fault = "status-503+" if meaning.startswith(("The fault", "Sends")) else ""
    if number:
        assert read_scenario(f"{fault}{word}-7", {}) != read_scenario("lorem", {})
    else:
        with pytest.raises(ValueError, match="takes no number"):
            read_scenario(f"{word}-7", {})


@pytest.mark.parametrize(("word", "number", "meaning"), [row for row in ROWS if re.search(r"\(\d+\)", row[2])])
def test_a_word_without_its_number_means_what_stands_in_brackets(word: str, number: str, meaning: str) -> None:
    default = re.findall(r"\((\d+)\)", meaning)[0]
    assert read_scenario(word, {}) == read_scenario(f"{word}-{default}", {})


def test_without_any_answer_it_is_twenty_words() -> None:
    assert len(read_scenario("lorem", {}).texts[0].split()) == 20


def test_every_param_is_on_the_page_once() -> None:
    named = [name for names, _ in PARAMS for name in re.findall(r"`(\w+)`", names)]
    assert sorted(named) == sorted(Scenario.__struct_fields__)


def test_every_option_of_a_fault_is_on_the_page() -> None:
    (text,) = (meaning for names, meaning in PARAMS if names == "`fault`")
    assert set(Fault.__struct_fields__) <= set(re.findall(r"`(\w+)`", text))

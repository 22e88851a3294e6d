"""What a client means by the name of a model: entries, wildcards, aliases, marks."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.backends.choice import of_model
from app.backends.model_names import LONGEST, FoundModel, ModelNames
from app.prices import listed_cost
from app.settings import Alias, Deployment

NAMES = ("gpt-5", "claude-opus-4-8", "anthropic/*", "claude-sonnet-*", "openai/*", "openai/gpt-5-*", "a::*::b::*")
ALIASES = {
    "fast": Alias("gpt-5"),
    "best": Alias("anthropic/claude-x"),
    "quiet": Alias("gpt-5", hidden=True),
    "gpt-5": Alias("claude-opus-4-8"),
    "marked[1m]": Alias("gpt-5"),
}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("claude-opus-4-8", FoundModel("claude-opus-4-8")),
        ("anthropic/claude-x", FoundModel("anthropic/*", ("claude-x",))),
        ("openai/gpt-4o", FoundModel("openai/*", ("gpt-4o",))),
        ("openai/gpt-5-mini", FoundModel("openai/gpt-5-*", ("mini",))),
        ("openai/gpt-5", FoundModel("openai/*", ("gpt-5",))),
        ("openai/ft:gpt-4o:org/x", FoundModel("openai/*", ("ft:gpt-4o:org/x",))),
        ("claude-sonnet-5", FoundModel("claude-sonnet-*", ("5",))),
        ("claude-haiku-5", FoundModel("anthropic/*", ("claude-haiku-5",))),
        ("o3-mini", FoundModel("openai/*", ("o3-mini",))),
        ("a::x::b::y", FoundModel("a::*::b::*", ("x", "y"))),
        ("fast", FoundModel("gpt-5")),
        ("best", FoundModel("anthropic/*", ("claude-x",))),
        ("quiet", FoundModel("gpt-5")),
        ("gpt-5", FoundModel("claude-opus-4-8")),
        ("claude-opus-4-8[1m]", FoundModel("claude-opus-4-8")),
        ("claude-sonnet-5[1M]", FoundModel("claude-sonnet-*", ("5",))),
        ("anthropic/claude-x[1m]", FoundModel("anthropic/*", ("claude-x",))),
        ("marked[1m]", FoundModel("gpt-5")),
        ("fast[1m]", FoundModel("gpt-5")),
        ("mistral/large", None),
        ("llama", None),
        ("", None),
        ("anthropic/", None),
        ("anthropic/*", None),
        ("claude-opus-4-8[1m][1m]", None),
        ("openai/../../admin", None),
        ("openai//x", None),
        ("openai/x?key=1", None),
        ("openai/x y", None),
        ("openai/x\n", None),
        ("openai/\u0661", None),
        ("openai/" + "x" * LONGEST, None),
    ],
)
def test_a_name_leads_to_an_entry(asked: str, found: FoundModel | None) -> None:
    assert ModelNames(NAMES, ALIASES).find(asked) == found


def test_an_entry_with_a_mark_counts_before_the_same_without_it() -> None:
    names = ModelNames(["m", "m[1m]", "x-*", "x-*[1m]"])
    assert names.find("m[1m]") == FoundModel("m[1m]")
    assert names.find("x-1[1m]") == FoundModel("x-*[1m]", ("1",))
    assert names.find("x-1") == FoundModel("x-*", ("1",))


def test_a_wildcard_for_everything_comes_last_and_before_a_providers_prefix() -> None:
    names = ModelNames(["*", "anthropic/*", "claude-*"])
    assert names.find("claude-x") == FoundModel("claude-*", ("x",))
    assert names.find("anthropic/x") == FoundModel("anthropic/*", ("x",))
    assert names.find("whatever") == FoundModel("*", ("whatever",))


def test_a_list_has_what_can_be_asked_for_by_name() -> None:
    assert ModelNames(NAMES, ALIASES).listed() == ("gpt-5", "claude-opus-4-8", "fast", "best", "marked[1m]")


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("claude-opus-4.8", "claude-opus-4-8"),
        ("anthropic/claude-opus-4-8-20260101", "claude-opus-4-8"),
        ("gtp-5", "gpt-5"),
        ("GPT-5", "gpt-5"),
        ("gpt5", "gpt-5"),
        ("xyz", None),
        ("", None),
    ],
)
def test_similar_names_are_found(asked: str, first: str | None) -> None:
    similar = ModelNames(["llama-3-70b", "gpt-5", "claude-opus-4-8"]).similar(asked, 3)
    assert next(iter(similar), None) == first


@given(st.text(max_size=400), st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_no_name_is_found_that_is_none(asked: str, names: list[str]) -> None:
    known = ModelNames(names)
    found = known.find(asked)
    assert found is None or found.name in names
    assert set(known.similar(asked, 3)) <= set(known.listed())


def test_a_strangers_name_takes_no_time() -> None:
    names = ModelNames(["a*a*a*a*a*a*a*b", *(f"model-{number}" for number in range(5000))])
    names.similar("x", 3)
    begun = time.perf_counter()
    assert names.find("a" * LONGEST) is None
    names.similar("a-model" * 10_000, 3)
    assert time.perf_counter() - begun < 0.1


@pytest.mark.parametrize(
    ("model", "segments", "asked"),
    [
        ("anthropic/*", ("claude-x",), "anthropic/claude-x"),
        ("anthropic/claude-*", ("x",), "anthropic/claude-x"),
        ("openai/fixed", ("anything",), "openai/fixed"),
        ("openai/*::*", ("a", "b"), "openai/a::b"),
        ("bedrock/meta.llama3*", ("hello-", "-70b"), "bedrock/meta.llama3-70b"),
    ],
)
def test_a_wildcard_of_the_model_stands_for_the_same(model: str, segments: tuple[str, ...], asked: str) -> None:
    deployment = Deployment(id="d", model_name="w*", model=model, provider="p", backend="litellm")
    assert of_model(deployment, segments).model == asked


def test_each_model_behind_a_wildcard_has_its_list_price_where_that_is_wanted() -> None:
    listed = Deployment(id="d", model_name="*", model="openai/*", provider="openai")
    found = of_model(listed, ("gpt-4o",))
    assert found.cost is not None
    assert found.cost == listed_cost("openai/gpt-4o", {})
    assert of_model(listed, ("nobody-knows-it",)).cost is None
    assert of_model(replace(listed, cost_source="none"), ("gpt-4o",)).cost is None
    assert of_model(replace(listed, cost=found.cost, cost_source="configuration"), ("x",)).cost is found.cost


@pytest.mark.parametrize(
    ("name", "params", "api"),
    [
        ("gpt-5", {}, ("openai", "offered")),
        ("gpt-5-codex", {}, ("openai", "only")),
        ("gpt-3.5-turbo-instruct", {}, ("litellm", "none")),
        ("gpt-5-codex", {"api_base": "http://h:1"}, ("openai", "unknown")),
    ],
)
def test_each_model_of_a_wildcard_is_asked_by_its_own_api(
    name: str, params: Mapping[str, str], api: tuple[str, str]
) -> None:
    deployment = Deployment(
        id="d", model_name="openai/*", model="openai/*", provider="openai", backend="openai", params=dict(params)
    )
    made = of_model(deployment, (name,))
    assert (made.backend, made.responses) == api

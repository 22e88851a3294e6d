"""Embeddings and legacy completions of a simulated model."""

import math

import pytest

from app.dialects import openai_embeddings
from app.errors import UpstreamFailed, UpstreamRejected
from app.messages import ModelResponse, Request
from tests.support import run
from tests.unit.backends.completions_and_embeddings import complete, embed
from tests.unit.backends.fakes import FakeAttempt
from tests.unit.backends.simulated.test_backend import Simulated


def whole(request: Request, name: str = "echo") -> ModelResponse:
    return run(Simulated(name).backend.complete(request, FakeAttempt())).chunk


def vectors(request: Request) -> list[list[float]]:
    return [one["embedding"] for one in openai_embeddings.encode_response(whole(request), request)["data"]]


def test_equal_inputs_have_equal_vectors_of_length_one() -> None:
    one, two, again, tokens = vectors(embed(["a", "b", "a", [1, 2]]))
    assert one == again
    assert len({tuple(vector) for vector in (one, two, tokens)}) == 3
    assert math.isclose(sum(number * number for number in one), 1)
    assert vectors(embed("a")) == [one]


def test_dimensions_are_as_asked_within_reason() -> None:
    assert [len(vector) for vector in vectors(embed(["a", "b"], dimensions=5))] == [5, 5]
    with pytest.raises(UpstreamRejected):
        vectors(embed(dimensions=10**9))


def test_usage_counts_words_and_tokens() -> None:
    usage = whole(embed(["one two", [1, 2, 3]])).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (5, 0)


def test_each_prompt_has_its_answers_under_openais_numbers() -> None:
    response = whole(complete(["one", "two"], n=2))
    texts = [(choice.index, choice.message.content) for choice in response.choices if choice.message]
    assert texts == [(0, "one"), (1, "one"), (2, "two"), (3, "two")]
    chunks = Simulated("echo").stream(complete(["one", "two"], n=2, stream=True))
    pieces = [(choice.index, choice.delta.content) for chunk in chunks for choice in chunk.choices if choice.delta]
    assert [(index, text) for index, text in pieces if text] == texts
    assert [chunk.usage for chunk in chunks if chunk.usage] == [response.usage]


def test_a_prompt_may_be_missing() -> None:
    assert whole(complete(None), "lorem-3").choices[0].message is not None


@pytest.mark.parametrize("request_", [embed(), complete()])
def test_faults_meet_them_too(request_: Request) -> None:
    with pytest.raises(UpstreamFailed):
        whole(request_, "status-503")

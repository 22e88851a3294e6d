"""What a request may come to at most, before anybody is asked."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.backends.ceilings import Ceiling, ceiling_of
from app.messages import InputMessage, Request, TextPart
from app.prices.cost import Bracket, Cost, Rates
from app.settings import Deployment

_RATES = Rates(
    input=1.0,
    output=10.0,
    cache_read=0.1,
    cache_write=1.25,
    cache_write_1h=2.0,
    reasoning=10.0,
    audio_input=1.0,
    audio_output=10.0,
)
_CHEAP = Cost((Bracket(0, replace(_RATES, input=0.5, output=5.0, reasoning=5.0, cache_write=0.5)),))
_DEAR = Cost((Bracket(0, _RATES),), {"priority": (Bracket(0, replace(_RATES, output=20.0)),)})
_REQUEST = Request(dialect="openai_chat", model="m", messages=(InputMessage("user", (TextPart("hello"),)),))


def _deployment(cost: Cost | None, **params: Any) -> Deployment:
    return Deployment("d", "m", "openai/m", "openai", params=params, cost=cost)


def test_the_dearest_deployment_counts_and_a_prompt_as_if_it_were_written_into_a_cache() -> None:
    request = replace(_REQUEST, max_tokens=7)
    found = ceiling_of(request, [_deployment(_CHEAP), _deployment(_DEAR)], 100, 1_000)
    assert found == Ceiling(prompt=100, most_answer=7, usd=125 + 70)
    assert found.tokens == 107
    assert ceiling_of(request, [_deployment(_CHEAP)], 100, 1_000).usd == 50 + 35


def test_an_answer_is_as_long_as_the_request_says_or_the_deployment_or_as_usual() -> None:
    deployments = [_deployment(_DEAR, max_tokens=30), _deployment(_DEAR)]
    assert ceiling_of(_REQUEST, deployments[:1], 1, 1_000).most_answer == 30
    assert ceiling_of(_REQUEST, deployments, 1, 1_000).most_answer == 1_000
    assert ceiling_of(replace(_REQUEST, max_tokens=5), deployments, 1, 1_000).most_answer == 5


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({"n": 3}, 3),
        ({"extra": {"best_of": 4}, "n": 2}, 4),
        ({"operation": "embeddings"}, 0),
        ({"operation": "text_completion", "messages": _REQUEST.messages * 3, "n": 2}, 6),
    ],
)
def test_every_answer_counts(fields: dict[str, Any], answers: int) -> None:
    request = replace(_REQUEST, max_tokens=10, **fields)
    assert ceiling_of(request, [_deployment(_DEAR)], 1, 1_000).most_answer == 10 * answers


def test_the_tier_that_is_asked_for_counts_where_it_is_dearer() -> None:
    request = replace(_REQUEST, max_tokens=1, extra={"service_tier": "priority"})
    assert ceiling_of(request, [_deployment(_DEAR)], 0, 1_000).usd == 20


def test_a_deployment_without_a_price_is_named() -> None:
    found = ceiling_of(replace(_REQUEST, max_tokens=1), [_deployment(None), _deployment(_DEAR)], 0, 1_000)
    assert (found.unpriced, found.usd) == ("openai/m", 10)

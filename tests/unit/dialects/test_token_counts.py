from typing import Any

import pytest

from app.dialects.anthropic_messages.usage_decoding import decode_usage as of_anthropic
from app.dialects.openai_chat.usage_decoding import usage_of
from app.dialects.openai_responses.usage import decode_usage as of_responses
from app.dialects.token_counts import decode_counts, later, tokens
from app.messages import Usage

_REASONED = {"completion_tokens_details": {"reasoning_tokens": 500}}
_CACHED = {"prompt_tokens_details": {"cached_tokens": 60}}


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        pytest.param({"prompt_tokens": 100, "completion_tokens": 510, "total_tokens": 610, **_REASONED},
                     Usage(100, 510, reasoning_tokens=500), id="within the output, as OpenAI"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 610, **_REASONED},
                     Usage(100, 510, reasoning_tokens=500), id="beside the output, as xAI"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 600, **_REASONED},
                     Usage(100, 500, reasoning_tokens=500), id="reasoning alone"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10, **_REASONED},
                     Usage(100, 510, reasoning_tokens=500), id="no total, more than the output"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 600, **_REASONED},
                     Usage(100, 600, reasoning_tokens=500), id="no total, within the output"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 600, "total_tokens": 723, **_REASONED},
                     Usage(100, 600, reasoning_tokens=500), id="a total of something else, too"),
        pytest.param({"prompt_tokens": 20, "completion_tokens": 424, "total_tokens": 1016},
                     Usage(20, 996), id="unnamed in the total, as Gemini"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, **_REASONED},
                     Usage(100, 10, reasoning_tokens=10), id="the total decides"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 610,
                      **_CACHED, **_REASONED},
                     Usage(100, 510, 60, reasoning_tokens=500), id="cached within, reasoning beside"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 670, **_CACHED, **_REASONED},
                     Usage(160, 510, 60, reasoning_tokens=500), id="both beside"),
        pytest.param({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **_CACHED},
                     Usage(70, 5, 60), id="more cached than input"),
        pytest.param({"input_tokens": 100, "output_tokens": 5, "cache_read_input_tokens": 60},
                     Usage(160, 5, 60), id="in Anthropic's words"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "cache_read_input_tokens": 60},
                     Usage(100, 5, 60), id="Anthropic's words beside OpenAI's"),
        pytest.param({"prompt_tokens": 0, "input_tokens": 7, "completion_tokens": 0, "output_tokens": 3},
                     Usage(7, 3), id="both names, one of them zero"),
        pytest.param({"promptTokens": 7, "completionTokens": 3}, Usage(7, 3), id="camel case"),
        pytest.param({"prompt_eval_count": 7, "eval_count": 3}, Usage(7, 3), id="Ollama"),
        pytest.param({"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4},
                     Usage(9, 3, 4), id="DeepSeek"),
        pytest.param({"promptTokenCount": 21, "thoughtsTokenCount": 60, "totalTokenCount": 81},
                     Usage(21, 60, reasoning_tokens=60), id="Gemini's own words"),
        pytest.param({"prompt_tokens": 9, "total_tokens": 12}, Usage(9, 3), id="no output but in the total"),
        pytest.param({"total_tokens": 12}, Usage(12, 0), id="a total alone"),
        pytest.param({"prompt_tokens": "9", "completion_tokens": 3.0}, Usage(9, 3), id="texts, floating point"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": None, "total_tokens": [1]}, Usage(), id="no numbers"),
        pytest.param({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": "x",
                      "completion_tokens_details": 5}, Usage(9, 3), id="details of a wrong type"),
        pytest.param({"prompt_tokens": 9, "completion_tokens": 3,
                      "prompt_tokens_details": [{"modality": "TEXT"}, {"cached_tokens": 2}, 7],
                      "completion_tokens_details": []}, Usage(9, 3, 2), id="details as lists"),
        pytest.param({"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {
            "reasoning_tokens": "many"}}, Usage(9, 3), id="a detail of a wrong type"),
    ],
)  # fmt: skip
def test_tokens_are_counted_alike_whatever_the_provider_calls_them(counts: dict[str, Any], usage: Usage) -> None:
    assert decode_counts(counts) == usage


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 3}}, (9, 3)),
        ({"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 3}}}, (9, 3)),
        ({"choices": [{"index": 0, "usage": {"prompt_tokens": 9, "completion_tokens": 3}}]}, (9, 3)),
        ({"prompt_eval_count": 9, "eval_count": 3}, (9, 3)),
        ({"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3}}, (9, 3)),
        ({"usage": None, "x_groq": {"id": "req"}}, None),
        ({"usage": {}, "choices": [{"usage": None}, "x"]}, None),
        ({"usage": [1], "x_groq": "x"}, None),
    ],
)
def test_usage_is_found_wherever_it_stands(body: dict[str, Any], usage: tuple[int, int] | None) -> None:
    found = usage_of(body)
    assert usage == (None if found is None else (found.prompt_tokens, found.completion_tokens))


def test_each_dialect_keeps_its_way_with_the_cache() -> None:
    anthropic = of_anthropic({"input_tokens": 10, "output_tokens": 3, "cache_read_input_tokens": 4})
    responses = of_responses({"input_tokens": 10, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4}})
    assert (anthropic.prompt_tokens, responses.prompt_tokens) == (14, 10)
    assert of_anthropic({"prompt_tokens": 10, "output_tokens": 3, "cache_read_input_tokens": 4}).prompt_tokens == 10


def test_later_usage_takes_the_place_of_earlier_and_a_zero_says_nothing() -> None:
    early = Usage(9, 1, reasoning_tokens=1)
    assert later(None, early) is early
    assert later(early, Usage(8, 5)) == Usage(8, 5, reasoning_tokens=1)
    assert later(early, Usage(0, 0)) == early


@pytest.mark.parametrize("value", [True, "x", "nan", float("inf"), -1, None, [], {}])
def test_what_is_no_count_is_none(value: object) -> None:
    assert tokens(value) is None

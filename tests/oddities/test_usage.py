"""Tokens as providers count them: every client has the same numbers, and an odd shape costs no answer."""

from typing import Any

from tests.oddities.table import WAYS, Case, Expected, Table, Way, chat_events, chat_whole, delta, over

_TRANSLATED = tuple(way for way in WAYS if way.client != "chat")
"""A client of chat completions gets the provider's own numbers, under its own names."""


def counted(name: str, usage: Any, tokens: tuple[int, int], ways: tuple[Way, ...] = _TRANSLATED) -> Case:
    events = chat_events(delta(content="a"), delta(finish="stop"), usage=usage)
    return Case(name, events, chat_whole({"content": "a"}, usage=usage), Expected(text="a", tokens=tokens), ways=ways)


_PLAIN: dict[str, Any] = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}

CASES = [
    counted(
        "reasoning beside the output",
        {**_PLAIN, "total_tokens": 63, "completion_tokens_details": {"reasoning_tokens": 50}},
        (9, 54),
    ),
    counted(
        "reasoning within the output",
        {**_PLAIN, "completion_tokens_details": {"reasoning_tokens": 3}},
        (9, 4),
        WAYS,
    ),
    counted("reasoning in the total alone", {**_PLAIN, "total_tokens": 63}, (9, 54)),
    counted("Anthropic's names", {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 5}, (14, 4)),
    counted("camel case", {"promptTokens": 9, "completionTokens": 4}, (9, 4)),
    counted("Ollama's names", {"prompt_eval_count": 9, "eval_count": 4}, (9, 4)),
    counted("cached as DeepSeek counts", {**_PLAIN, "prompt_cache_hit_tokens": 5}, (9, 4), WAYS),
    counted("cached beside the input", {**_PLAIN, "total_tokens": 33, "cache_read_input_tokens": 20}, (29, 4)),
    counted("details as lists", {**_PLAIN, "prompt_tokens_details": [{"modality": "TEXT"}]}, (9, 4), WAYS),
    counted("details as text", {**_PLAIN, "completion_tokens_details": "none"}, (9, 4), WAYS),
    counted("numbers as texts", {"prompt_tokens": "9", "completion_tokens": 4.0, "total_tokens": None}, (9, 4)),
    counted("negative numbers", {**_PLAIN, "prompt_tokens_details": {"cached_tokens": -1}}, (9, 4), WAYS),
    Case(
        "usage in every chunk",
        chat_events(
            *({"choices": [delta(content="a")], "usage": _PLAIN | {"completion_tokens": at}} for at in (1, 2, 4)),
            {"choices": [delta(finish="stop")], "usage": _PLAIN},
            {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
        ),
        None,
        Expected(text="aaa", tokens=(9, 4)),
        ways=_TRANSLATED,
    ),
    Case(
        "usage in the choice",
        chat_events(delta(content="a"), delta(finish="stop", choice={"usage": _PLAIN})),
        None,
        Expected(text="a", tokens=(9, 4)),
        ways=_TRANSLATED,
    ),
    Case(
        "usage of Groq's own",
        chat_events(delta(content="a"), delta(finish="stop"), x_groq={"usage": _PLAIN}),
        None,
        Expected(text="a", tokens=(9, 4)),
        ways=_TRANSLATED,
    ),
    Case(
        "null for usage",
        chat_events(delta(content="a"), delta(finish="stop"), usage=None),
        chat_whole({"content": "a"}),
        Expected(text="a", finish="stop"),
    ),
]


@over(CASES)
def test_every_client_has_the_same_numbers(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)

"""What is to blame for a miss, and what it cost: the pure part."""

from typing import Any

import pytest

from telemetry import PromptForm, Tokens
from telemetry.prompt_cache.comparison import CacheMiss, SentPrompt, as_if_read, cache_miss
from tests.unit.telemetry.prompt_cache.prompts import MINUTES, form, prompt

COLD = Tokens(5_000, 0, 0, 10, 0)
BEFORE, GROWN = form("a b"), form("a b c d")


def sent(
    client: PromptForm,
    policies: PromptForm | None = None,
    *,
    cached: int = 4_000,
    wire: PromptForm | None = None,
    **of: Any,
) -> SentPrompt:
    return SentPrompt(prompt(client, policies), of.get("deployment", "d"), of.get("at", 0.0), cached=cached, wire=wire)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (sent(BEFORE), sent(form("a b c", tools="t u")), ("tools", "client", "tools[1]")),
        (sent(BEFORE), sent(form("a b c", system="x")), ("system", "client", "system[0]")),
        (sent(BEFORE), sent(form("a b c", parameters=(1, 0, 0))), ("parameters", "client", "tool_choice")),
        (sent(BEFORE), sent(form("a b c", parameters=(0, 1, 0))), ("parameters", "client", "reasoning")),
        (sent(BEFORE), sent(form("a b c", parameters=(0, 0, 1))), ("parameters", "client", "cache_control")),
        (sent(BEFORE), sent(form("a x c")), ("message", "client", "messages[1]")),
        (sent(BEFORE), sent(form("a")), ("message", "client", "messages[1]")),
        (
            sent(BEFORE, form("a b", system="1")),
            sent(GROWN, form("a b c d", system="2")),
            ("system", "policy", "system[0]"),
        ),
        (sent(BEFORE), sent(GROWN, form("a x c d")), ("message", "policy", "messages[1]")),
        # Both changed it: who came first in the prompt has lost the cache.
        (sent(BEFORE), sent(form("a x c"), form("a x c", system="2")), ("system", "policy", "system[0]")),
        (sent(BEFORE), sent(form("a b", system="2"), form("a x", system="2")), ("system", "client", "system[0]")),
        (sent(BEFORE, wire=BEFORE), sent(GROWN, wire=form("a x c")), ("message", "translation", "messages[1]")),
        (sent(BEFORE, wire=BEFORE), sent(GROWN, wire=GROWN), ("provider", "provider", None)),
        (sent(BEFORE, wire=BEFORE), sent(GROWN), ("provider", "provider", None)),
        (sent(BEFORE), sent(BEFORE), ("provider", "provider", None)),
        (sent(BEFORE), sent(GROWN, deployment="e"), ("deployment", "deployment", None)),
        (sent(BEFORE), sent(GROWN, at=MINUTES + 1), ("expired", "time", None)),
        (sent(BEFORE), sent(GROWN, at=MINUTES - 1), ("provider", "provider", None)),
    ],
)
def test_the_first_change_is_to_blame(
    before: SentPrompt, now: SentPrompt, expected: tuple[str, str, str | None]
) -> None:
    assert cache_miss(before, now, COLD) == CacheMiss(*expected, lost_tokens=4_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cached", "tokens", "lost"),
    [
        (4_000, Tokens(3_001, 1_999, 0, 1, 0), 2_001),
        (4_000, Tokens(3_000, 2_000, 0, 1, 0), None),
        (4_000, Tokens(0, 1_999, 3_001, 1, 0), 2_001),
        # Less was asked than before: no more could have been read than there was.
        (4_000, Tokens(2_000, 0, 0, 1, 0), 2_000),
        (4_000, Tokens(1_000, 0, 0, 1, 0), None),
        (1_023, COLD, None),
        (1_024, COLD, 1_024),
        (0, COLD, None),
    ],
)
def test_a_miss_is_half_of_what_could_have_been_read(cached: int, tokens: Tokens, lost: int | None) -> None:
    miss = cache_miss(sent(BEFORE, cached=cached), sent(GROWN), tokens)

    assert (None if miss is None else miss.lost_tokens) == lost
    assert miss is None or miss.read_ratio == tokens.cache_read / tokens.prompt


def test_what_is_asked_first_misses_nothing() -> None:
    assert cache_miss(None, sent(GROWN), COLD) is None


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (Tokens(5_000, 100, 0, 7, 3), Tokens(1_000, 4_100, 0, 7, 3)),
        (Tokens(2_000, 0, 3_000, 7, 3), Tokens(1_000, 4_000, 0, 7, 3)),
        (Tokens(0, 0, 5_000, 7, 3), Tokens(0, 4_000, 1_000, 7, 3)),
    ],
)
def test_without_the_miss_what_was_lost_would_have_been_read(tokens: Tokens, expected: Tokens) -> None:
    assert as_if_read(tokens, CacheMiss("provider", "provider", None, 4_000)) == expected

"""Where a conversation goes on, and until when."""

from typing import Any

import pytest

from app.backends.sticky_conversations import StickyConversations, key_of
from app.messages import InputMessage, TextPart, ToolDefinition
from app.prompt_forms import cache_lifetime
from tests.unit.backends.fakes import ask

HOUR: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
FIVE_MINUTES: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


def test_a_deployment_is_known_while_its_cache_is_warm_and_each_answer_keeps_it_so() -> None:
    sticky = StickyConversations()
    assert sticky.deployment(1, 0) is None
    sticky.remember(1, "a", 0, 300)
    assert (sticky.deployment(1, 299), sticky.deployment(1, 300)) == ("a", None)
    sticky.remember(1, "a", 299, 300)
    assert sticky.deployment(1, 598) == "a"
    sticky.remember(1, "b", 599, 300)
    assert sticky.deployment(1, 600) == "b"


def test_only_so_many_are_kept_those_that_go_on_the_longest() -> None:
    sticky = StickyConversations(limit=3)
    for key in (1, 2, 3, 1, 4):
        sticky.remember(key, "a", 0, 300)
    assert [sticky.deployment(key, 1) for key in (1, 2, 3, 4)] == ["a", None, "a", "a"]


def test_callers_models_and_conversations_are_told_apart() -> None:
    keys = {
        key_of(ask(caller=caller), model, conversation)
        for caller in ("x", "y")
        for model in ("m", "n")
        for conversation in ("1", "2")
    }
    assert len(keys) == 8


def message(extra: dict[str, Any], part: dict[str, Any]) -> InputMessage:
    return InputMessage(role="user", parts=(TextPart("Hello", extra=part),), extra=extra)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 300),
        ({"extra": FIVE_MINUTES}, 300),
        ({"extra": HOUR}, 3600),
        ({"extra": {"prompt_cache_retention": "24h"}}, 86_400),
        ({"tools": (ToolDefinition("f", extra=HOUR),)}, 3600),
        ({"tools": (ToolDefinition("f", raw={"type": "web_search", **HOUR}),)}, 3600),
        ({"messages": (message({}, HOUR), message({}, FIVE_MINUTES))}, 3600),
        ({"messages": (message(HOUR, {}),)}, 3600),
        ({"messages": (message({}, FIVE_MINUTES),)}, 300),
    ],
)
def test_a_prompt_is_kept_as_long_as_the_request_asks_for(fields: dict[str, Any], seconds: float) -> None:
    assert cache_lifetime(ask(**fields)) == seconds

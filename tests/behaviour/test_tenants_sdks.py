"""The official SDKs before a key with limits: they wait as they are told, or give up where waiting makes no sense."""

import time
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.gateway import RunningGateway
from tests.behaviour.tenants import ECHO, KEY, limited

HELLO: Any = [{"role": "user", "content": "one two"}]
Request = Callable[[RunningGateway], object]


class _Sleepless:
    """The module `time` as an SDK has it, but that it notes how long it would sleep."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the SDKs, which sleep before they try again, would have slept."""
    clock = _Sleepless()
    for sdk in ("openai", "anthropic"):
        monkeypatch.setattr(f"{sdk}._base_client.time", clock)
    return clock.waits


def _chat(gateway: RunningGateway) -> object:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as sdk:
        return sdk.chat.completions.create(model="echo", messages=HELLO, max_tokens=10)


def _responses(gateway: RunningGateway) -> object:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as sdk:
        return sdk.responses.create(model="echo", input="one two", max_output_tokens=10)


def _messages(gateway: RunningGateway) -> object:
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY) as sdk:
        return sdk.messages.create(model="echo", messages=HELLO, max_tokens=10)


_SDKS = pytest.mark.parametrize("ask", [_chat, _responses, _messages])
_RATE_LIMITED = (openai.RateLimitError, anthropic.RateLimitError)


@_SDKS
def test_an_sdk_waits_for_a_limit_by_the_minute_as_long_as_it_takes(waits: list[float], ask: Request) -> None:
    with limited([ECHO], "limits: {requests_per_minute: 1}") as gateway:
        ask(gateway)
        with pytest.raises(_RATE_LIMITED):
            ask(gateway)
        assert len(waits) == 2
        assert all(0 < wait <= 61 for wait in waits)
        assert waits[0] > 50
        assert gateway.sample("flowspan_quota_rejections_total", limit="requests_per_minute") == 3


@_SDKS
def test_an_sdk_does_not_try_again_with_a_spent_budget(waits: list[float], ask: Request) -> None:
    with limited([ECHO], "budget: {usd: 0.01}") as gateway:
        with pytest.raises(_RATE_LIMITED) as refused:
            ask(gateway)
        assert waits == []
        assert gateway.sample("flowspan_quota_rejections_total", limit="budget_month") == 1
        assert "The budget of the key `ci` is 0.01 USD for a month" in str(refused.value)


@_SDKS
def test_an_sdk_does_not_try_again_what_is_too_large_or_not_allowed(waits: list[float], ask: Request) -> None:
    with limited([ECHO], "limits: {request_tokens: 5}") as gateway:
        with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)):
            ask(gateway)
        assert waits == []
    other = ECHO.replace("echo:", "other:")
    with limited([ECHO, other], "models: [other]") as gateway:
        with pytest.raises((openai.PermissionDeniedError, anthropic.PermissionDeniedError)):
            ask(gateway)
        assert waits == []

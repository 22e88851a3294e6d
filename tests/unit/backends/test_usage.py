"""The tokens of an attempt: the provider's count as far as there is one, an estimate for the rest."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from app.backends.usage import AnswerUsage
from app.dialects.estimate import estimate_input_tokens
from app.errors import (
    BackendError,
    LocalFailure,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.messages import Batch, Choice, Function, Message, ModelResponse, Request, ToolCall, Usage
from app.prices import cost_of
from app.settings import Deployment, RouterSettings
from app.stages import generated, pieces_of
from telemetry import Attempt, Tokens
from tests.support import run
from tests.unit.backends.fakes import ScriptedBackend, ask, finish, text, used
from tests.unit.backends.test_router import Setup

REQUEST = ask("x" * 400)
PROMPT = estimate_input_tokens(REQUEST)
LISTED = Deployment(id="d", model_name="m", model="x/m", provider="x")
ESTIMATED = ModelResponse(usage=Usage(7, 5, extra={"estimated": True}))
PROMPT_ONLY = ModelResponse(usage=Usage(50, 1, cache_read_input_tokens=20))


@pytest.mark.parametrize(
    ("steps", "tokens"),
    [
        ((40, used(9, 4)), Tokens(9, 0, 0, 4, 0)),
        ((40,), Tokens(PROMPT, 0, 0, 10, 0, PROMPT, 10)),
        ((), Tokens(PROMPT, 0, 0, 0, 0, PROMPT, 0)),
        ((PROMPT_ONLY,), Tokens(30, 20, 0, 1, 0)),
        ((PROMPT_ONLY, 40), Tokens(30, 20, 0, 11, 0, 0, 10)),
        ((PROMPT_ONLY, 40, used(50, 12)), Tokens(50, 0, 0, 12, 0)),
        ((8, used(9, 2), 8, used(9, 4), 400), Tokens(9, 0, 0, 104, 0, 0, 100)),
        ((40, used(9, 0)), Tokens(9, 0, 0, 10, 0, 0, 10)),
        ((40, used(0, 4)), Tokens(PROMPT, 0, 0, 4, 0, PROMPT, 0)),
        ((40, ESTIMATED), Tokens(7, 0, 0, 5, 0, 7, 5)),
    ],
)
def test_what_the_provider_counted_stands_and_the_rest_is_estimated(
    steps: tuple[int | ModelResponse, ...], tokens: Tokens
) -> None:
    usage = AnswerUsage(REQUEST)
    for step in steps:
        if isinstance(step, int):
            usage.chars += step
        else:
            usage.count(step)
    assert usage.tokens() == tokens


def test_everything_that_a_model_writes_is_counted() -> None:
    calls = (
        ToolCall(0, "1", "function", Function("read", '{"a"')),
        ToolCall(0, None, "function", Function(None, ":1}")),
    )
    written = Message(content="ab" * 4, reasoning_content="cde" * 4, refusal="f" * 13, tool_calls=calls)
    tokens = _tokens_after(ModelResponse(choices=(Choice(delta=written),)), UpstreamTruncated("cut"))
    assert tokens is not None
    assert tokens.output == (8 + 12 + 13 + 4 + 4 + 3) // 4


@pytest.mark.parametrize(
    ("tier", "extra", "dollars"),
    [(None, {}, 3), ("flex", {}, 2), (None, {"service_tier": "flex"}, 2), (None, {"service_tier": 7}, 3)],
)
def test_the_tier_of_service_that_the_provider_says_has_its_price(
    tier: str | None, extra: dict[str, object], dollars: float
) -> None:
    cost = cost_of({"input_cost_per_token": 1, "output_cost_per_token": 1, "input_cost_per_token_flex": 0.5})
    assert cost is not None
    usage = AnswerUsage(REQUEST)
    usage.count(ModelResponse(usage=Usage(2, 1, extra=extra), service_tier=tier))
    assert usage.dollars(usage.tokens(), replace(LISTED, cost=cost)) == dollars


OPENROUTER = {"cost": 0.25, "cost_details": {"upstream_inference_cost": 0.5}}


@pytest.mark.parametrize(
    ("provider", "extra", "dollars"),
    [
        ("x_ai", {"cost_in_usd_ticks": 5_000_000_000}, 0.5),
        ("openrouter", OPENROUTER, 0.25),
        ("openrouter", {**OPENROUTER, "is_byok": True}, 0.75),
        ("openrouter", {"cost": 0}, 0),
        ("openrouter", {"cost": 1, "is_byok": True}, 12),
        ("openrouter", {"cost": "free"}, 12),
        ("openrouter", {}, 12),
        ("openai", OPENROUTER, 12),
    ],
)
def test_what_the_provider_bills_comes_before_its_list_price(
    provider: str, extra: dict[str, Any], dollars: float
) -> None:
    cost = cost_of({"input_cost_per_token": 1, "output_cost_per_token": 1})
    listed = replace(LISTED, cost=cost, provider=provider)
    usage = AnswerUsage(REQUEST)
    usage.count(ModelResponse(usage=Usage(7, 5, extra=extra)))
    assert usage.dollars(usage.tokens(), listed) == dollars
    assert usage.dollars(usage.tokens(), replace(listed, cost_source="configuration")) == 12
    assert usage.dollars(usage.tokens(), replace(listed, cost=None, cost_source="none")) is None
    usage.chars += 400
    assert usage.dollars(usage.tokens(), listed) == 112


def _tokens_after(*steps: ModelResponse | BackendError, is_sent: bool = True) -> Tokens | None:
    """The tokens of an attempt that went like this."""
    setup = Setup({"a": ScriptedBackend(steps, is_sent=is_sent)})
    with suppress(BackendError):
        run(setup.stream(messages=REQUEST.messages))
    return _noted(setup)


def _noted(setup: Setup) -> Tokens | None:
    calls = [call for call in setup.obs.attempts.started[0].calls if call[0] == "usage"]
    return calls[0][1] if calls else None


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFailed("busy", upstream_status=429),
        UpstreamFailed("an error in the place of an answer"),
        UpstreamRejected("no", upstream_status=400),
        UpstreamUnreachable("reset before a byte"),
    ],
)
def test_a_provider_that_refused_or_was_not_reached_has_used_no_tokens(error: BackendError) -> None:
    assert _tokens_after(error) is None


@pytest.mark.parametrize("error", [UpstreamTimeout("late"), LocalFailure("names"), UpstreamTruncated("empty")])
def test_what_went_wrong_before_the_request_was_sent_has_used_none(error: BackendError) -> None:
    assert _tokens_after(error, is_sent=False) is None


@pytest.mark.parametrize("error", [UpstreamTimeout("late"), LocalFailure("loop_lag"), UpstreamTruncated("empty")])
def test_a_provider_that_got_the_request_has_read_it(error: BackendError) -> None:
    assert _tokens_after(error) == Tokens(PROMPT, 0, 0, 0, 0, PROMPT, 0)


@pytest.mark.parametrize("error", [UpstreamTruncated("cut"), UpstreamFailed("broke off", upstream_status=500)])
def test_of_an_answer_that_broke_off_what_came_counts(error: BackendError) -> None:
    assert _tokens_after(text("y" * 40), error) == Tokens(PROMPT, 0, 0, 10, 0, PROMPT, 10)
    assert _tokens_after(PROMPT_ONLY, text("y" * 40), error) == Tokens(30, 20, 0, 11, 0, 0, 10)


def test_a_client_that_leaves_has_used_what_came_until_then() -> None:
    async def leave() -> Tokens | None:
        setup = Setup({"a": ScriptedBackend([text("y" * 40), ScriptedBackend.HANG])})
        opened = await setup.router.open(REQUEST, setup.obs)
        await opened.rest.aclose()
        return _noted(setup)

    assert run(leave()) == Tokens(PROMPT, 0, 0, 10, 0, PROMPT, 10)


def test_a_client_that_does_not_wait_for_the_first_chunk_has_used_its_prompt() -> None:
    async def leave() -> Tokens | None:
        backend = ScriptedBackend([ScriptedBackend.HANG])
        setup = Setup({"a": backend})
        asking = asyncio.create_task(setup.router.open(REQUEST, setup.obs))
        await backend.asked.wait()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        return _noted(setup)

    assert run(leave()) == Tokens(PROMPT, 0, 0, 0, 0, PROMPT, 0)


class _SlowToClose(ScriptedBackend):
    @generated
    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        try:
            async for batch in pieces_of(super().stream(request, attempt)):
                yield batch
        finally:
            await asyncio.Event().wait()


def test_an_attempt_has_its_tokens_however_long_its_connection_takes_to_close() -> None:
    async def leave() -> Tokens | None:
        setup = Setup({"a": _SlowToClose([text("y" * 40), ScriptedBackend.HANG])})
        opened = await setup.router.open(REQUEST, setup.obs)
        closing = asyncio.ensure_future(opened.rest.aclose())
        await asyncio.wait({closing}, timeout=0.001)
        tokens = _noted(setup)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        return tokens

    assert run(leave()) == Tokens(PROMPT, 0, 0, 10, 0, PROMPT, 10)


def test_a_whole_answer_without_usage_is_estimated() -> None:
    setup = Setup({"a": ScriptedBackend([text("y" * 40)])})
    run(setup.router.complete(ask("x" * 400, stream=False), setup.obs))
    assert _noted(setup) == Tokens(PROMPT, 0, 0, 10, 0, PROMPT, 10)


def test_a_fallback_is_booked_to_the_model_that_answered_at_its_price() -> None:
    cost = cost_of({"input_cost_per_token": 2, "output_cost_per_token": 3})
    settings = RouterSettings(num_retries=0, fallbacks={"m": ("other",)})
    down = UpstreamFailed("down", upstream_status=503)
    backends = {"a": ScriptedBackend([down]), "b@other": ScriptedBackend([text("y"), finish(), used(10, 5)])}
    setup = Setup(backends, settings, cost=cost)
    run(setup.stream())
    refused, answered = setup.obs.attempts.started
    assert [one.target.model_group for one in (refused, answered)] == ["m", "other"]
    assert not [call for call in refused.calls if call[0] == "usage"]
    assert answered.calls[-1] == ("usage", Tokens(10, 0, 0, 5, 0), 35)

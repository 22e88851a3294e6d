"""Limits and budgets of keys: nothing passes them, whatever comes at once and however it ends, and each error says
which limit it is."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, RawClient, Reply, ask, request
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.reloading import ReloadingGateway
from tests.behaviour.scripted import USAGE, text_stream
from tests.behaviour.tenants import (
    ECHO,
    KEY,
    OTHER,
    PRICE,
    all_given_back,
    asked,
    error_of,
    headers,
    limit,
    limited,
    models_of,
    usage,
)
from tests.upstream import Fin, Head, Stall, json_reply, openai_completion

_BURST = 200
_EVERY = (
    "limits: {requests_per_minute: 500, tokens_per_minute: 1000000, streams: 50}, budget: {usd: 1000, per: day}, "
    "team: platform"
)


async def _ask_at_once(gateway: RunningGateway, bodies: Sequence[object], key: str = KEY) -> list[int]:
    """The statuses of requests that are all sent before the first reply is read."""
    connections = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", gateway.port) for _ in bodies))
    for (_, writer), body in zip(connections, bodies, strict=True):
        data = json.dumps(body).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
        writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    statuses = []
    for reader, writer in connections:
        answer = await reader.read()
        statuses.append(int(answer.split(b" ", 2)[1]))
        writer.close()
    return statuses


def test_a_burst_does_not_pass_the_requests_of_a_minute() -> None:
    with limited([ECHO], "limits: {requests_per_minute: 50}") as gateway:
        statuses = asyncio.run(_ask_at_once(gateway, [ask("echo", max_tokens=10)] * _BURST))
        assert statuses.count(200) == 50
        assert statuses.count(429) == _BURST - 50
        gateway.wait_until_idle()
        assert gateway.outcomes() == {"ok": 50, "rate_limited": _BURST - 50}
        rejections = gateway.sample(
            "flowspan_quota_rejections_total", key="ci", scope="key", limit="requests_per_minute"
        )
        assert rejections == _BURST - 50
        assert asked(gateway, ask("echo"), key=OTHER).status == 200


def _refused(gateway: RunningGateway) -> float:
    return gateway.sample("flowspan_key_requests_total", outcome="rate_limited")


def test_a_burst_does_not_pass_the_streams_at_a_time(provider: Provider) -> None:
    provider.play([Stall()])
    rest = "  server: {lame_duck: 0, drain_timeout: 100ms}\n"
    with limited(models_of(provider), "limits: {streams: 5}", rest) as gateway:

        async def burst() -> list[int]:
            waiting = asyncio.create_task(_ask_at_once(gateway, [ask("chat", stream=True)] * _BURST))
            refused = _BURST - 5
            await asyncio.to_thread(until, lambda: _refused(gateway) >= refused, "all others are refused")
            assert len(provider.requests) == 5
            assert limit(gateway, "streams")["used"] == 5
            gateway.server.handle_exit(signal.SIGTERM, None)
            return await waiting

        statuses = asyncio.run(burst())
        assert statuses.count(429) == _BURST - 5
        assert len(provider.requests) == 5


def test_a_burst_does_not_pass_a_budget() -> None:
    with limited([ECHO], "budget: {usd: 1}") as gateway:
        bodies = [ask("echo", text="one two three", max_tokens=20)] * _BURST
        statuses = asyncio.run(_ask_at_once(gateway, bodies))
        all_given_back(gateway)
        budget = limit(gateway, "budget_month")
        assert 0 < budget["used"] <= 1
        gateway.wait_until_idle()
        assert gateway.sample("flowspan_key_cost_usd_total", key="ci") == pytest.approx(budget["used"])
        assert set(statuses) == {200, 429}


def test_a_team_shares_its_limits() -> None:
    text = configuration(
        [ECHO],
        f"  teams: {{t: {{limits: {{requests_per_minute: 3}}}}}}\n  keys:\n"
        f"  - {{name: ci, key: {KEY}, team: t}}\n  - {{name: cd, key: {OTHER}, team: t}}\n",
    )
    with RunningGateway(text) as gateway:
        answers = [asked(gateway, ask("echo"), key=key) for key in (KEY, OTHER, KEY, OTHER)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert error_of(answers[-1])["message"].startswith("The team `t` may make 3 requests in a minute, and has")
        rejections = gateway.sample("flowspan_quota_rejections_total", key="cd", team="t", scope="team")
        assert rejections == 1


def test_one_that_asks_again_as_soon_as_it_has_its_answer_is_never_beyond_one_stream() -> None:
    with limited([ECHO], "limits: {streams: 1}") as gateway, RawClient(gateway) as first, RawClient(gateway) as second:
        body = json.dumps(ask("echo", stream=True)).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
        for number in range(100):
            client = (first, second)[number % 2]
            client.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            client.read_until(b"data: [DONE]\n\n")
        gateway.wait_until_idle()
        assert gateway.outcomes() == {"ok": 100}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    rest = (
        "  teams: {platform: {limits: {tokens_per_minute: 2000000}, budget: {usd: 5000}}}\n"
        "  policies: [{use: 'tests.behaviour.policies:Forbids', config: {word: forbidden}}]\n"
    )
    simulated = [f"{name}: {{model: simulated/{name}, {PRICE}}}" for name in ("cut-3",)]
    with limited([ECHO, *models_of(provider), *simulated], _EVERY, rest) as running:
        yield running


def _whole(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("echo", max_tokens=10)).status == 200


def _streamed(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("echo", stream=True)).body.endswith(b"data: [DONE]\n\n")


def _messages(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("echo", MESSAGES, stream=True), MESSAGES).status == 200


def _responses(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("echo", RESPONSES), RESPONSES).status == 200


def _completions(gateway: RunningGateway, provider: Provider) -> None:
    body = {"model": "echo", "prompt": ["one two", "three"], "max_tokens": 10}
    assert asked(gateway, body, "/v1/completions").status == 200


def _embeddings(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, {"model": "echo", "input": ["one", "two three"]}, "/v1/embeddings").status == 200


def _cut(gateway: RunningGateway, provider: Provider) -> None:
    assert b"upstream_truncated" in asked(gateway, ask("cut-3", stream=True)).body


def _provider_cuts_the_connection(gateway: RunningGateway, provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Fin()])
    asked(gateway, ask("chat", stream=True))


def _begin(client: RawClient, first: bytes = b"Hel") -> None:
    """Ask for a stream of the scripted provider, and read its first words."""
    body = json.dumps(ask("chat", stream=True)).encode()
    client.head(CHAT, content_length=str(len(body)), authorization=f"Bearer {KEY}")
    client.send(body)
    if first:
        client.read_until(first)


def _client_leaves(gateway: RunningGateway, provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Stall()])
    with RawClient(gateway) as client:
        _begin(client)
        client.reset()


def _client_leaves_before_a_token(gateway: RunningGateway, provider: Provider) -> None:
    provider.play([Head(), Stall()])
    with RawClient(gateway) as client:
        _begin(client, b"")
        provider.received()


def _client_leaves_in_its_body(gateway: RunningGateway, provider: Provider) -> None:
    with RawClient(gateway) as client:
        client.head(CHAT, content_length="1000", authorization=f"Bearer {KEY}")
        client.send(b'{"model": ')
        until(lambda: gateway.in_flight() == 1, "the request has begun")


def _blocked_request(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("echo", text="a forbidden thing")).status == 400


def _blocked_answer(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(json_reply(openai_completion({"content": "a forbidden thing"}, usage=USAGE)))
    assert asked(gateway, ask("chat")).status == 400


def _provider_fails(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(json_reply({"error": {"message": "no"}}, 500))
    assert asked(gateway, ask("chat")).status == 500


def _not_json(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, b"{").status == 400


def _no_such_model(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("nothing-like-it")).status == 404


def _count(gateway: RunningGateway, provider: Provider) -> None:
    assert asked(gateway, ask("echo", COUNT), COUNT).status == 200


_ENDS: list[Callable[[RunningGateway, Provider], None]] = [
    _whole,
    _streamed,
    _messages,
    _responses,
    _completions,
    _embeddings,
    _cut,
    _provider_cuts_the_connection,
    _client_leaves,
    _client_leaves_before_a_token,
    _client_leaves_in_its_body,
    _blocked_request,
    _blocked_answer,
    _provider_fails,
    _not_json,
    _no_such_model,
    _count,
]


@pytest.mark.parametrize("end", _ENDS, ids=lambda end: end.__name__[1:])
def test_however_a_request_ends_the_truth_takes_the_place_of_its_reservation(
    gateway: RunningGateway, provider: Provider, end: Callable[[RunningGateway, Provider], None]
) -> None:
    seen = gateway.wait_until_idle()
    before = {(one["scope"], one["limit"]): one["used"] for one in usage(gateway)["limits"]}

    end(gateway, provider)

    transaction = gateway.next_transaction(seen)
    all_given_back(gateway)
    tokens = sum(
        (one.attributes or {}).get(f"gen_ai.usage.{kind}_tokens", 0)  # type: ignore[misc]
        for one in transaction.attempts
        for kind in ("input", "output")
    )
    cost = sum((one.attributes or {}).get("flowspan.cost_usd", 0.0) for one in transaction.attempts)  # type: ignore[misc]
    used = {(one["scope"], one["limit"]): one["used"] for one in usage(gateway)["limits"]}
    assert used["key", "requests_per_minute"] == before["key", "requests_per_minute"] + 1
    for scope in ("key", "team"):
        assert used[scope, "tokens_per_minute"] == before[scope, "tokens_per_minute"] + tokens
    assert used["key", "budget_day"] == pytest.approx(before["key", "budget_day"] + cost)
    assert used["team", "budget_month"] == pytest.approx(before["team", "budget_month"] + cost)
    was_answered = end in _ENDS[:10]
    assert bool(tokens) is was_answered or end is _blocked_answer


def test_what_ends_at_the_shutdown_is_given_back(provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Stall()])
    rest = "  server: {lame_duck: 0, drain_timeout: 100ms}\n"
    with (
        limited(models_of(provider), "limits: {streams: 1}, budget: {usd: 1000}", rest) as gateway,
        RawClient(gateway) as client,
    ):
        _begin(client)
        quotas = gateway.app.gateway.quotas
        gateway.server.handle_exit(signal.SIGTERM, None)
        until(lambda: gateway.outcomes().get("drained"), "the stream is ended")
        streams, budget = quotas.known_usage("key:ci")
        assert (streams.limit, streams.used, budget.reserved) == ("streams", 0, 0)
        assert budget.used > 0


_PATHS = (CHAT, MESSAGES, RESPONSES)


@pytest.mark.parametrize("path", _PATHS)
def test_each_api_tells_which_limit_it_was_and_when_to_ask_again(path: str) -> None:
    with limited([ECHO], "limits: {requests_per_minute: 1, tokens_per_minute: 5000}") as gateway:
        first, second = (asked(gateway, ask("echo", path), path) for _ in range(2))
        assert (first.status, second.status) == (200, 429)
        error = error_of(second)
        assert error["type"] == "rate_limit_error"
        assert error.get("code") == (None if path == MESSAGES else "rate_limit_exceeded")
        assert error["message"].startswith(
            "The key `ci` may make 1 requests in a minute, and has (requests_per_minute)"
        )
        assert 0 < int(second.headers["retry-after"]) <= 61
        assert 0 < int(second.headers["retry-after-ms"]) <= 61_000
        assert "x-should-retry" not in second.headers
        if path == MESSAGES:
            assert first.headers["anthropic-ratelimit-requests-limit"] == "1"
            assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
            assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
            assert 0 < int(first.headers["anthropic-ratelimit-tokens-remaining"]) < 5000
            assert second.headers["anthropic-ratelimit-requests-remaining"] == "0"
        else:
            assert first.headers["x-ratelimit-limit-requests"] == "1"
            assert first.headers["x-ratelimit-remaining-requests"] == "0"
            assert first.headers["x-ratelimit-reset-requests"].startswith("1m")
            assert 0 < int(first.headers["x-ratelimit-remaining-tokens"]) < 5000
            assert second.headers["x-ratelimit-remaining-requests"] == "0"
        ended = gateway.transaction(second.request_id)
        assert ended.outcome == "rate_limited"
        assert (ended["flowspan.limit"], ended["flowspan.limit.scope"]) == ("requests_per_minute", "key")
        line = gateway.log_line(transaction_id=second.request_id, outcome="rate_limited")
        assert (line["limit"], line["error_type"]) == ("requests_per_minute", "rate_limited")


@pytest.mark.parametrize("path", _PATHS)
def test_a_spent_budget_is_told_with_its_end_and_is_no_reason_to_try_again(path: str) -> None:
    with limited([ECHO], "budget: {usd: 0.02, per: month}") as gateway:
        body = {**ask("echo", path), "max_output_tokens" if path == RESPONSES else "max_tokens": 3}
        answers = [asked(gateway, body, path) for _ in range(3)]
        last = answers[-1]
        assert answers[0].status == 200
        assert last.status == 429
        error = error_of(last)
        assert error["type"] == ("rate_limit_error" if path == MESSAGES else "insufficient_quota")
        assert error.get("code") == (None if path == MESSAGES else "insufficient_quota")
        assert error["message"].startswith("The budget of the key `ci` is 0.02 USD for a month")
        assert "(budget_month). Try again at 20" in error["message"]
        assert last.headers["x-should-retry"] == "false"
        assert gateway.transaction(last.request_id)["flowspan.limit"] == "budget_month"
        rejected = gateway.sample("flowspan_quota_rejections_total", key="ci", limit="budget_month")
        assert rejected == [answer.status for answer in answers].count(429)


def test_what_a_request_costs_nothing_for_is_let_in_with_a_spent_budget() -> None:
    with limited([ECHO], "budget: {usd: 0.0001, mode: warn}, limits: {requests_per_minute: 100}") as gateway:
        assert asked(gateway, ask("echo")).status == 200
        assert asked(gateway, ask("echo")).status == 200
    with limited([ECHO], "budget: [{usd: 0.005}]") as gateway:
        assert asked(gateway, ask("echo", max_tokens=1)).status == 429
        assert asked(gateway, ask("echo", COUNT), COUNT).status == 200
        assert request(gateway, "GET", "/v1/models", headers=headers()).status == 200


def test_a_flood_of_what_costs_nothing_does_not_pass_the_requests_of_a_minute() -> None:
    with limited([ECHO], "limits: {requests_per_minute: 3}") as gateway:
        floods: Sequence[Callable[[], int]] = [
            lambda: asked(gateway, ask("echo", COUNT), COUNT).status,
            lambda: request(gateway, "GET", f"{RESPONSES}/resp_1", headers=headers()).status,
            lambda: request(gateway, "POST", f"{RESPONSES}/resp_1/cancel", headers=headers()).status,
        ]
        assert [flood() for flood in floods] == [200, 404, 404]
        assert [flood() for flood in floods] == [429] * 3
        assert asked(gateway, ask("echo")).status == 429
        assert asked(gateway, ask("echo", COUNT), COUNT, key=OTHER).status == 200


def test_a_share_of_a_budget_that_is_passed_is_told_once() -> None:
    with limited([ECHO], "budget: {usd: 0.1, mode: warn, warn_at: [0.5]}") as gateway:
        for _ in range(20):
            assert asked(gateway, ask("echo", max_tokens=5)).status == 200
        gateway.wait_until_idle()
        lines = [line for line in gateway.logs() if line["logger"] == "flowspan.budget"]
        assert [line["share"] for line in lines] == [0.5, 1.0]
        assert lines[0]["message"].startswith("key ci has spent 5")
        passed = [one for one in gateway.transactions() if "budget.passed" in one.events]
        assert [one["flowspan.transaction_id"] for one in passed] == [
            gateway.transaction(str(one["flowspan.transaction_id"]))["flowspan.transaction_id"] for one in passed
        ]
        assert len(passed) == 2


def test_a_request_that_is_too_large_by_itself_is_told_in_the_words_that_agents_shorten_by() -> None:
    with limited([ECHO], "limits: {request_tokens: 100}") as gateway:
        long = " ".join(["word"] * 300)
        answer = asked(gateway, ask("echo", text=long, max_tokens=10))
        assert (answer.status, error_of(answer)["code"]) == (400, "context_length_exceeded")
        assert "the key `ci` allows 100 for one request (request_tokens)" in error_of(answer)["message"]
        answer = asked(gateway, ask("echo", RESPONSES, text=long), RESPONSES)
        assert (answer.status, error_of(answer)["code"]) == (400, "context_length_exceeded")
        answer = asked(gateway, {**ask("echo", MESSAGES, text=long), "max_tokens": 10}, MESSAGES)
        assert answer.status == 400
        assert error_of(answer)["message"].startswith("prompt is too long: 378 tokens > 100 maximum")
        answer = asked(gateway, {**ask("echo", MESSAGES), "max_tokens": 500}, MESSAGES)
        assert error_of(answer)["message"].startswith(
            "input length and `max_tokens` exceed context limit: 6 + 500 > 100"
        )
        assert asked(gateway, ask("echo", max_tokens=10)).status == 200


def test_a_body_is_held_to_the_bytes_of_its_key_announced_or_not() -> None:
    rest = "  teams: {t: {limits: {request_bytes: 2KB}}}\n"
    with limited([ECHO], "team: t, limits: {request_bytes: 1KB}", rest) as gateway:
        large = ask("echo", text="x" * 1000)
        answer = asked(gateway, large)
        assert answer.status == 413
        assert "the most that the key `ci` may send in one (request_bytes)" in error_of(answer)["message"]
        assert gateway.sample("flowspan_quota_rejections_total", key="ci", scope="key", limit="request_bytes") == 1
        with RawClient(gateway) as client:
            client.head(CHAT, transfer_encoding="chunked", authorization=f"Bearer {KEY}")
            client.send(b"3e8\r\n" + b" " * 1000 + b"\r\n")
            client.send(b"3e8\r\n" + b" " * 1000 + b"\r\n")
            assert b" 413 " in client.read_until(b"\r\n")
        assert asked(gateway, large, key=OTHER).status == 200
        assert asked(gateway, ask("echo")).status == 200


@pytest.mark.parametrize("path", _PATHS)
def test_a_key_is_kept_to_its_models(path: str) -> None:
    models = [ECHO, ECHO.replace("echo:", "other:"), ECHO.replace("echo:", "echo-two:")]
    rest = "  teams: {t: {models: ['echo*']}}\n"
    with limited(models, "team: t, models: [other, echo]", rest) as gateway:
        assert asked(gateway, ask("echo", path), path).status == 200
        for model in ("other", "echo-two"):
            answer = asked(gateway, ask(model, path), path)
            assert (answer.status, error_of(answer)["type"]) == (403, "permission_error")
            assert error_of(answer)["message"].startswith(f"The key `ci` may not ask for the model `{model}`")
            assert gateway.transaction(answer.request_id)["error.type"] == "model_not_allowed"
            assert request(gateway, "GET", f"/v1/models/{model}", headers=headers(path)).status == 403
        assert asked(gateway, ask("other", path), path, OTHER).status == 200
        unknown = error_of(asked(gateway, ask("echoes", path), path))["message"]
        assert "`echo`" in unknown
        assert "echo-two" not in unknown
        listed = request(gateway, "GET", "/v1/models", headers=headers(path)).json()["data"]
        assert [model["id"] for model in listed] == ["echo"]
        assert len(request(gateway, "GET", "/v1/models", headers=headers(path, OTHER)).json()["data"]) == 3
        assert asked(gateway, ask("other", COUNT), COUNT).status == 403


def test_a_model_without_a_price_is_not_for_who_has_a_budget() -> None:
    free = ["free: {model: simulated/echo}", ECHO]
    with limited(free, "budget: {usd: 1}") as gateway:
        answer = asked(gateway, ask("free"))
        assert answer.status == 403
        assert "the price of the model `free` is not known here" in error_of(answer)["message"]
        assert asked(gateway, ask("free"), key=OTHER).status == 200
    with limited(free, "budget: {usd: 100}", "  quotas: {unpriced: allow}\n") as gateway:
        assert asked(gateway, ask("free")).status == 200
        assert limit(gateway, "budget_month")["used"] == 0


def test_a_policy_with_a_name_applies_to_the_keys_that_name_it() -> None:
    rest = (
        "  policies:\n"
        "  - {use: 'tests.behaviour.policies:Forbids', applies: named, name: strict, config: {word: forbidden}}\n"
        "  - {use: 'tests.behaviour.policies:Forbids', name: general, config: {word: terrible}}\n"
    )
    with limited([ECHO], "policies: [strict]", rest) as gateway:
        for text, ours, theirs in (("a forbidden thing", 400, 200), ("a terrible thing", 400, 400), ("fine", 200, 200)):
            for path in (CHAT, MESSAGES, COUNT):
                assert asked(gateway, ask("echo", path, text=text), path).status == ours
                assert asked(gateway, ask("echo", path, text=text), path, OTHER).status == theirs
        answers: list[Reply] = [asked(gateway, ask("echo"), key=key) for key in (KEY, OTHER)]
        ended = [gateway.transaction(answer.request_id) for answer in answers]
        assert [one["flowspan.policy"] for one in ended] == [("strict", "general"), ("general",)]


def test_a_key_is_told_what_it_may_use_and_has_used() -> None:
    rest = "  teams: {t: {budget: {usd: 10, per: day}}}\n"
    key = "team: t, models: [echo], limits: {requests_per_minute: 50, streams: 5, request_bytes: 1MiB}, priority: 3"
    with limited([ECHO], key, rest) as gateway:
        asked(gateway, ask("echo", max_tokens=10))
        all_given_back(gateway)
        found = usage(gateway)
        assert {name: found[name] for name in ("object", "key", "team", "models", "request_bytes", "priority")} == {
            "object": "usage",
            "key": "ci",
            "team": "t",
            "models": ["echo"],
            "request_bytes": 1024**2,
            "priority": 3,
        }
        requests, streams, budget = found["limits"]
        assert (requests["scope"], requests["name"], requests["window"]) == ("key", "ci", "sliding")
        assert (requests["max"], requests["used"], requests["left"], requests["hard"]) == (50, 1, 49, True)
        assert requests["resets_at"].endswith("Z")
        assert (streams["limit"], streams["used"], streams["resets_at"]) == ("streams", 0, None)
        assert (budget["scope"], budget["name"], budget["limit"]) == ("team", "t", "budget_day")
        assert budget["left"] == pytest.approx(10 - budget["used"])
        assert found["state"] == {"age_seconds": None, "began_at_zero": False, "is_local": False}
        assert usage(gateway, OTHER)["limits"] == []
        assert request(gateway, "GET", "/v1/usage").status == 401
        assert request(gateway, "GET", "/v1/usage", headers=headers(key="gate-of-nobody")).status == 401
        gateway.wait_until_idle()
        assert gateway.sample("flowspan_other_requests_total", route="/v1/usage", status="401") == 2


def test_without_keys_nobody_has_limits() -> None:
    with RunningGateway(configuration([ECHO])) as gateway:
        found = request(gateway, "GET", "/v1/usage").json()
        assert (found["key"], found["limits"]) == (None, [])


def test_metrics_show_how_much_is_used_and_how_many_are_turned_away() -> None:
    with limited([ECHO], "limits: {requests_per_minute: 4}, budget: {usd: 1, warn_at: [0.5, 0.9]}") as gateway:
        rejections = "flowspan_quota_rejections_total"
        known = {
            sample.labels["limit"]
            for family in gateway.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == rejections
        }
        assert known == {"requests_per_minute", "budget_month"}
        assert asked(gateway, ask("echo", max_tokens=5)).status == 200
        gateway.wait_until_idle()
        gateway.telemetry.sampler.sample()
        budget = {"scope": "key", "holder": "ci", "limit": "budget_month", "mode": "hard"}
        used = gateway.sample("flowspan_budget_used_usd", **budget)
        assert used == gateway.sample("flowspan_key_cost_usd_total", key="ci") > 0
        assert gateway.sample("flowspan_budget_limit_usd", **budget) == 1
        assert gateway.sample("flowspan_budget_warning_usd", **budget) == 0.5
        assert gateway.sample("flowspan_quota_used_ratio", holder="ci", limit="requests_per_minute") == 0.25
        assert gateway.sample("flowspan_quota_state_local") == 0


def test_what_is_used_survives_a_restart(tmp_path: Path) -> None:
    rest = f"  quotas: {{store: 'sqlite:///{tmp_path}/quotas.db'}}\n"
    with limited([ECHO], "budget: {usd: 1}", rest) as gateway:
        asked(gateway, ask("echo", max_tokens=5))
        all_given_back(gateway)
        used = limit(gateway, "budget_month")["used"]
        assert used > 0
    with limited([ECHO], "budget: {usd: 1}", rest) as gateway:
        assert limit(gateway, "budget_month")["used"] == used
        assert usage(gateway)["state"]["age_seconds"] is not None


def test_a_flood_beyond_the_limit_is_answered_before_its_body_is_read() -> None:
    with limited([ECHO], "limits: {requests_per_minute: 1}") as gateway:
        assert asked(gateway, ask("echo")).status == 200
        with RawClient(gateway) as client:
            client.head(CHAT, content_length="1000000", authorization=f"Bearer {KEY}")
            assert b" 429 " in client.read_until(b"\r\n")


def test_a_reload_changes_what_is_allowed_and_keeps_what_is_used(tmp_path: Path) -> None:
    def text(key: str, rest: str = "") -> str:
        keys = f"  keys:\n  - {{name: ci, key: {KEY}, {key}}}\n  - {{name: cd, key: {OTHER}}}\n"
        return configuration([ECHO, ECHO.replace("echo:", "other:")], keys + rest)

    budget = "budget: {usd: 100, per: hour}"
    with ReloadingGateway(tmp_path, text(f"limits: {{requests_per_minute: 2}}, {budget}")) as gateway:
        assert [asked(gateway, ask("echo", max_tokens=5)).status for _ in range(3)] == [200, 200, 429]
        used = limit(gateway, "budget_hour")["used"]
        gateway.change(
            text(
                f"limits: {{requests_per_minute: 4}}, models: [other], team: t, {budget}",
                "  teams: {t: {limits: {streams: 1}}}\n",
            )
        )
        assert asked(gateway, ask("echo")).status == 403
        assert asked(gateway, ask("other", max_tokens=5)).status == 200
        assert asked(gateway, ask("other")).status == 429
        assert limit(gateway, "budget_hour")["used"] > used
        assert limit(gateway, "streams")["scope"] == "team"
        gateway.telemetry.sampler.sample()
        assert gateway.sample("flowspan_budget_used_usd", holder="ci") > used

        gateway.change(text("labels: {stage: prod}"))
        assert usage(gateway)["limits"] == []
        assert [asked(gateway, ask("echo")).status for _ in range(5)] == [200] * 5
        gateway.telemetry.sampler.sample()
        assert gateway.sample("flowspan_budget_limit_usd") == gateway.sample("flowspan_quota_used_ratio") == 0
        assert "is refused" not in gateway.log.getvalue()
        assert any("no policy has this name" in one for one in gateway.refused(text("policies: [strict]")))

"""By what one of several deployments is chosen, and where a conversation goes on."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway, Transaction

BULK = "alpha beta " * 700
"""1,400 tokens: more than the least that is cached."""
POOLS = """
model_list:
  - {model_name: priced, litellm_params: {model: simulated/lorem-3, input_cost_per_token: 2}, model_info: {id: dear}}
  - {model_name: priced, litellm_params: {model: simulated/lorem-3, input_cost_per_token: 1}, model_info: {id: cheap}}
  - {model_name: paced, litellm_params: {model: simulated/slow-start-0.2+lorem-3}, model_info: {id: slow}}
  - {model_name: paced, litellm_params: {model: simulated/lorem-3}, model_info: {id: quick}}
  - {model_name: busy, litellm_params: {model: simulated/slow-start-0.4+lorem-3}, model_info: {id: one}}
  - {model_name: busy, litellm_params: {model: simulated/slow-start-0.4+lorem-3}, model_info: {id: two}}
  - {model_name: busy, litellm_params: {model: simulated/slow-start-0.4+lorem-3}, model_info: {id: three}}
"""


def answered(gateway: RunningGateway, model: str, **fields: Any) -> Transaction:
    reply = post(gateway, CHAT, ask(model, **fields))
    assert reply.status == 200
    return gateway.transaction(reply.request_id)


def asked(transaction: Transaction) -> str:
    return str((transaction.attempts[-1].attributes or {})["flowspan.deployment"])


@pytest.fixture(params=["least_busy", "fastest_first_token", "cheapest"])
def strategy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gateway(strategy: str) -> Iterator[RunningGateway]:
    with RunningGateway(f"{POOLS}gateway: {{router: {{strategy: {strategy}}}}}\n") as running:
        yield running


@pytest.mark.parametrize("strategy", ["cheapest"], indirect=True)
def test_the_cheapest_is_asked(gateway: RunningGateway) -> None:
    assert {asked(answered(gateway, "priced")) for _ in range(10)} == {"cheap"}


@pytest.mark.parametrize("strategy", ["fastest_first_token"], indirect=True)
def test_the_one_with_the_earliest_first_token_is_asked_once_both_are_known(gateway: RunningGateway) -> None:
    first = [asked(answered(gateway, "paced", stream=True)) for _ in range(2)]
    assert sorted(first) == ["quick", "slow"], "each is tried once"
    assert {asked(answered(gateway, "paced", stream=stream)) for stream in (True, False) * 4} == {"quick"}


@pytest.mark.parametrize("strategy", ["least_busy"], indirect=True)
def test_the_one_with_the_least_under_way_is_asked(gateway: RunningGateway) -> None:
    clients = [threading.Thread(target=answered, args=(gateway, "busy"), kwargs={"stream": True}) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert Counter(map(asked, gateway.transactions())) == {"one": 2, "two": 2, "three": 2}


def configured(sticky: str, deployments: int = 3) -> str:
    entry = "  - {model_name: agent, litellm_params: {model: simulated/echo+caching}}\n"
    down = "  - {model_name: frail, litellm_params: {model: simulated/echo+status-503+every-2, order: 1}}\n"
    up = "  - {model_name: frail, litellm_params: {model: simulated/echo, order: 2}}\n"
    return f"model_list:\n{entry * deployments}{down}{up}gateway: {{router: {{sticky: {sticky}}}}}\n"


def talk(gateway: RunningGateway, conversation: int, turns: int) -> list[str]:
    """The deployments that answer a conversation's turns, each of which sends all that was before."""
    words = random.Random(conversation).sample(BULK.split(), k=1400)
    messages: list[dict[str, Any]] = [{"role": "user", "content": " ".join(words) + f" {conversation}"}]
    found = []
    for turn in range(turns):
        body = {"model": "agent", "max_tokens": 20, "messages": messages}
        reply = post(gateway, MESSAGES, body)
        found.append(asked(gateway.transaction(reply.request_id)))
        messages += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": f"and {turn}?"}]
    return found


def cached_share(gateway: RunningGateway) -> float:
    read, written, new = (
        gateway.sample("flowspan_tokens_total", token_type=kind) for kind in ("cache_read", "cache_write", "input")
    )
    return read / (read + written + new)


@pytest.mark.parametrize("deployments", [2, 3])
def test_a_conversation_that_stays_where_it_is_finds_its_prompt_in_the_cache(deployments: int) -> None:
    turns, shares = 8, {}
    for sticky in ("'off'", "conversation"):
        with RunningGateway(configured(sticky, deployments)) as running:
            visited = [talk(running, conversation, turns) for conversation in range(10)]
            running.wait_until_idle()
            shares[sticky] = cached_share(running)
            if sticky == "conversation":
                assert all(len(set(one)) == 1 for one in visited)
                assert len({one[0] for one in visited}) > 1, "conversations are shared out"
    assert shares["conversation"] > 0.84, "all turns but the first"
    assert shares["conversation"] > shares["'off'"] + 0.1


def test_a_conversation_goes_on_elsewhere_where_its_deployment_fails() -> None:
    with RunningGateway(configured("conversation")) as running:
        found = [asked(answered(running, "frail")) for _ in range(6)]
        assert set(found) == {"frail#1", "frail#2"}
        assert found.count("frail#1") == 3, "the order counts before the cache"

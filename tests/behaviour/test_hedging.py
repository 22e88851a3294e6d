"""A plain request that takes long is asked at a second deployment: its client waits less, and both are paid for."""

import time
from collections.abc import Iterator

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post
from tests.behaviour.gateway import RunningGateway

HEDGED = """
model_list:
  - {model_name: m, litellm_params: {model: simulated/slow-start-3+lorem-3, order: 1, input_cost_per_token: 1}}
  - {model_name: m, litellm_params: {model: simulated/lorem-3, order: 2, input_cost_per_token: 2}}
gateway:
  router: {hedge_after: 100ms}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(HEDGED) as running:
        yield running


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_the_client_has_the_first_answer_and_both_attempts_are_counted(gateway: RunningGateway, path: str) -> None:
    spent = gateway.sample("flowspan_cost_usd_total")
    begun = time.monotonic()
    reply = post(gateway, path, ask("m", path))
    assert (reply.status, b"lorem ipsum dolor" in reply.body) == (200, True)
    assert time.monotonic() - begun < 2
    ended = gateway.transaction(reply.request_id)
    slow, quick = sorted(ended.attempts, key=lambda span: str((span.attributes or {})["flowspan.deployment"]))
    assert (slow.attributes or {})["error.type"] == "outpaced"
    prompts = [int(str((span.attributes or {})["gen_ai.usage.input_tokens"])) for span in (slow, quick)]
    assert min(prompts) > 0
    assert quick.links[0].context.span_id == slow.context.span_id
    assert dict(quick.links[0].attributes or {})["flowspan.link"] == "hedge_of"
    assert ended["flowspan.cost_usd"] == prompts[0] + 2 * prompts[1]
    assert gateway.sample("flowspan_cost_usd_total") == spent + prompts[0] + 2 * prompts[1]
    assert gateway.sample("flowspan_upstream_outcomes_total", deployment="m#1", outcome="outpaced") > 0
    assert gateway.sample("flowspan_upstream_attempts_total", deployment="m#2", reason="hedge") > 0
    assert gateway.sample("flowspan_upstream_failovers_total") == 0


def test_what_a_provider_would_keep_is_asked_for_once(gateway: RunningGateway) -> None:
    reply = post(gateway, RESPONSES, ask("m", RESPONSES))
    assert reply.status == 200
    assert len(gateway.transaction(reply.request_id).attempts) == 1

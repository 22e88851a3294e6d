"""What docs/upstream-statuses.md says of each status, by a provider that answers so."""

from collections.abc import Iterator

import pytest

from app.upstream_statuses import LISTED
from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import gateway_before
from tests.unit.backends.status_page import row
from tests.upstream import openai_error

UNMOVED = "  breakers: {upstream: {threshold: 10000, min_requests: 10000}}"


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with gateway_before(provider, UNMOVED, "litellm_settings: {num_retries: 1}", backend="direct") as running:
        yield running


@pytest.mark.parametrize("status", [*LISTED, 405, 418, 501, 502])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_status_becomes_what_the_page_says(
    gateway: RunningGateway, provider: Provider, path: str, status: int
) -> None:
    expected = row(status)
    provider.play(openai_error(status, "no"))
    reply = post(gateway, path, ask("oai", path))
    assert reply.status == (expected.anthropic if path == MESSAGES else expected.same_dialect)
    assert len(provider.requests) == 1 + expected.asked_again
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == ("client_error" if expected.fault == "caller" else "upstream_error")

"""What a request leaves behind: nothing that the garbage collector alone frees, as the event loop stands still then."""

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated

REQUESTS = 5
OUTPUT = "app.dialects.openai_responses.output_state"


SMALL = "hello there"
LARGE = "hello there " * 400
"""A prompt that may be in a provider's cache, and whose content is scrubbed on the spot."""
PLAIN = "  policies: [noop]"
CAPTURED = f"""{PLAIN}
  telemetry: {{capture_content: both, boundary_events: both, openinference: true}}"""
REDACTED = "  policies: [redact]"
RECORDED = """  recorder: memory"""


@pytest.fixture(
    scope="module",
    params=[(PLAIN, SMALL), (CAPTURED, LARGE), (REDACTED, SMALL), (RECORDED, SMALL)],
    ids=["plain", "captured", "redacted", "recorded"],
)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[RunningGateway, str]]:
    """A gateway, and what it is asked."""
    settings, text = request.param
    with RunningGateway(configuration(simulated("echo"), settings)) as gateway:
        yield gateway, text


def left_by(gateway: RunningGateway, path: str, text: str, stream: bool) -> Counter[str]:
    """How many objects of the gateway's own classes were in cycles after some requests, by class."""

    def request() -> Reply:
        return post(gateway, path, ask("echo", path, text, stream=stream))

    gateway.transaction(request().request_id)
    # Garbage or not, what is there already is none of theirs, and there is a lot of it.
    gc.freeze()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(REQUESTS):
            gateway.transaction(request().request_id)
        gc.collect()
        classes = [f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    return Counter(name for name in classes if name.startswith(("app.", "telemetry.")))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_request_leaves_no_cycles(running: tuple[RunningGateway, str], path: str, stream: bool) -> None:
    gateway, text = running
    left = left_by(gateway, path, text, stream)
    # A connection may leave some: it serves many requests. The items of a response and their parts know each other.
    of_requests = {name: count for name, count in left.items() if not name.startswith(("app.edge", OUTPUT))}
    assert of_requests == {}

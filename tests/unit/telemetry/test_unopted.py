"""What may hold content, or was chosen by a client, and stays out of spans and logs."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from telemetry import AttemptTarget, Scrubber, TelemetryOptions
from telemetry.exceptions import stack_of, summary_of
from telemetry.logs.console import LogWriter, install
from telemetry.metrics.registry import Metrics
from telemetry.traces.http import path_shape, products_of, restrict_http_attributes
from tests.unit.telemetry.fakes import Bench, attributes_of

CANARY = "canary-5f3a"


class Log:
    def __init__(self, writer: LogWriter, stream: io.StringIO) -> None:
        self._writer = writer
        self._stream = stream

    def text(self) -> str:
        self._writer.close()
        return self._stream.getvalue()

    def messages(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.text().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    with warnings.catch_warnings():
        writer = install("debug", Metrics().exports, Scrubber(), stream)
        yield Log(writer, stream)
        writer.close()
        logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    "name", ["LiteLLM", "LiteLLM Router", "openai._base_client", "anthropic._base_client", "httpcore.http11", "httpx"]
)
def test_libraries_texts_are_not_logged(log: Log, name: str) -> None:
    library = logging.getLogger(name)
    level = library.level
    library.setLevel(logging.DEBUG)
    library.debug("Request options: %s", {"json_data": CANARY})
    library.info(f"sent {CANARY}")
    library.error(f"failed at {CANARY}", exc_info=ValueError(CANARY))
    library.setLevel(level)
    logging.getLogger("app.somewhere").debug("our own")
    text = log.text()
    assert CANARY not in text
    assert [json.loads(line)["level"] for line in text.splitlines()] == ["error", "debug"]
    assert "ValueError" in text
    assert "our own" in text


def test_an_exception_is_told_by_its_type_and_place(log: Log) -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ExceptionGroup(CANARY, [ValueError(CANARY)]) from error
    except ExceptionGroup as error:
        logging.getLogger("flowspan").error("failed", exc_info=error)
        emitted = stack_of(error) + summary_of(error)
    assert CANARY not in log.text() + emitted.replace("CANARY", "")
    assert all(name in emitted for name in ("KeyError", "ExceptionGroup", "ValueError", "test_unopted.py"))


def test_an_error_of_the_system_keeps_its_words() -> None:
    assert "[Errno 2] No such file or directory" in summary_of(FileNotFoundError(2, "No such file or directory"))


def test_a_task_that_nobody_waited_for_does_not_tell_what_it_had(log: Log) -> None:
    async def failing() -> None:
        raise ValueError(CANARY)

    async def main() -> None:
        task = asyncio.get_running_loop().create_task(failing())
        await asyncio.wait({task})
        del task

    asyncio.run(main())
    text = log.text()
    assert "Task exception was never retrieved" in text
    assert CANARY not in text


def test_a_warning_does_not_repeat_the_value_it_warns_of(log: Log) -> None:
    warnings.simplefilter("always")
    warnings.warn_explicit(f"Expected `int`, found {CANARY}", UserWarning, "pydantic/main.py", 7)
    [message] = log.messages()
    assert message == "pydantic/main.py:7: UserWarning"


def test_a_failed_hook_is_told_without_its_words() -> None:
    bench = Bench(TelemetryOptions(capture_content="both"))
    obs = bench.open()
    with pytest.raises(ValueError, match=CANARY), obs.policy("p").hook("on_request"):
        raise ValueError(CANARY)
    obs.finish("internal_error", status=500)
    [span] = [span for name, span in bench.spans().items() if "on_request" in name]
    assert CANARY not in str(span.status.description) + str([event.attributes for event in span.events])
    assert span.status.description == "ValueError"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/chat/completion", "/v1/chat/completion"),
        ("/v1/vector_stores/vs_1A/files", "/v1/vector_stores/{…}/files"),
        ("/v1/sk-abcdefghijklmnop", "/v1/{…}"),
        ("/My secret\n", "/{…}"),
        ("/a" * 10_000, "/a/a/a/a/a/a/{…}"),
        ("/" + "a" * 100_000, "/{…}"),
        ("/", "/"),
        ("", "/"),
    ],
)
def test_a_path_is_told_by_its_plain_words(path: str, shape: str) -> None:
    assert path_shape(path) == shape


@pytest.mark.parametrize(
    ("agent", "products"),
    [
        ("OpenAI/Python 2.54.0", ""),
        ("AsyncOpenAI/2.54.0 python/3.11.7", "AsyncOpenAI/2.54.0 python/3.11.7"),
        ("Mozilla/5.0 (X11; my mail is a@b.de) Firefox/128.0", "Mozilla/5.0 Firefox/128.0"),
        (f"curl/8.5.0 {CANARY}", "curl/8.5.0"),
        ("a/1 b/1 c/1 d/1 e/1", "a/1 b/1 c/1 d/1"),
        ("x" * 100_000, ""),
    ],
)
def test_of_a_user_agent_programs_are_told(agent: str, products: str) -> None:
    assert products_of(agent) == products


def test_a_route_that_is_no_transaction_tells_no_more() -> None:
    span = TracerProvider().get_tracer("t").start_span("GET", attributes={"url.path": CANARY, "url.query": CANARY})
    headers = [(b"user-agent", f"{CANARY} curl/8.5.0".encode())]
    restrict_http_attributes(span, {"path": f"/v1/{CANARY}", "query_string": CANARY.encode(), "headers": headers})
    emitted = getattr(span, "attributes", {})
    assert emitted == {"url.path": "/v1/{…}", "url.query": "", "user_agent.original": "curl/8.5.0"}


@pytest.mark.parametrize("state", [f"a={'x' * 600}", "key=sk-abcdefghijklmnopqrstuvwxyz"])
def test_a_callers_trace_state_is_bounded_and_holds_no_key(state: str) -> None:
    bench = Bench()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    obs = bench.open(headers={"traceparent": parent, "tracestate": state})
    assert not obs.span_context.trace_state
    obs.finish("ok", status=200)
    assert bench.open(headers={"traceparent": parent, "tracestate": "a=b"}).span_context.trace_state == {"a": "b"}


def test_a_providers_words_for_itself_are_bounded() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    attempt.response("i" * 9000, "m" * 9000, ["sk-abcdefghijklmnopqrst"])
    attempt.request_id("r" * 9000)
    attempt.end()
    obs.finish("ok", status=200)
    emitted = attributes_of(bench.spans()["chat gpt-5"])
    assert max(len(str(value)) for value in emitted.values()) <= 256
    assert "sk-abc" not in str(emitted)

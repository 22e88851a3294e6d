import io
import json
import logging

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry import HttpRequest, Telemetry, TelemetryOptions, setup
from telemetry.names import CaptureMode
from telemetry.recording.content import Prompt
from tests.support import run


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("NO_CONTENT", "none"), ("SPAN_ONLY", "span"), ("EVENT_ONLY", "event"), ("SPAN_AND_EVENT", "both"), ("", "span")],
)
def test_the_standard_variable_for_content_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch, variable: str, expected: str
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variable)
    telemetry = setup(TelemetryOptions(capture_content="span"), span_exporter=InMemorySpanExporter())
    assert telemetry.options.capture_content == expected


@pytest.mark.parametrize(
    ("exporter", "where"), [("console", "go to stdout, as log records"), ("none", "are lines of this log")]
)
def test_a_line_at_the_start_says_where_events_with_content_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, exporter: str, where: str
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", exporter)
    telemetry = setup(TelemetryOptions(capture_content="event"))
    telemetry.close()
    assert where in caplog.text


def test_a_close_twice_is_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = setup(span_exporter=InMemorySpanExporter())
    run(telemetry.aclose())
    telemetry.close()


def test_log_lines_are_free_of_the_configured_keys() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    telemetry = setup(secrets=["canary-secret"], log_stream=stream)
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    obs.finish("upstream_error", status=502, detail="canary-secret was refused")
    telemetry.close()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    (line,) = (json.loads(text) for text in stream.getvalue().splitlines())
    assert line["detail"] == "[redacted] was refused"


def limits_of(telemetry: Telemetry) -> list[int]:
    """The limit that a prompt is asked for with; none if nobody wants it."""
    limits = []

    def prompt(limit: int) -> Prompt:
        limits.append(limit)
        return Prompt()

    with telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {})) as obs:
        obs.capture(prompt)
        obs.finish("ok", status=200)
    telemetry.close()
    return limits


@pytest.mark.parametrize(
    ("mode", "warned", "where"), [("span", 1, ""), ("event", 0, "this log"), ("both", 1, "this log")]
)
def test_content_that_nobody_would_see_is_warned_of_and_not_collected(
    mode: CaptureMode, warned: int, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    caplog.set_level("INFO")
    telemetry = setup(TelemetryOptions(capture_content=mode))
    lines = [record for record in caplog.records if "capture_content" in record.message]
    assert [record.levelname for record in lines].count("WARNING") == warned
    assert where in " ".join(record.message for record in lines)
    assert bool(limits_of(telemetry)) is (mode != "span")


@pytest.mark.parametrize(("variable", "longest"), [("200", 200), ("5000000", 1024**2), ("", 1024**2)])
def test_the_standard_limit_of_attributes_holds_for_content_too(
    variable: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", variable)
    telemetry = setup(TelemetryOptions(capture_content="span"), span_exporter=InMemorySpanExporter())
    assert limits_of(telemetry) == [longest]


def test_telemetrys_lines_have_a_level_of_their_own_where_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = logging.getLogger("telemetry")
    before = logger.level
    monkeypatch.setenv("OTEL_LOG_LEVEL", "warn")
    try:
        setup(span_exporter=InMemorySpanExporter()).close()
        assert logging.getLogger("telemetry.export").getEffectiveLevel() == logging.WARNING
    finally:
        logger.setLevel(before)


def test_exemplars_are_left_out_where_the_environment_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXEMPLAR_FILTER", "always_off")
    telemetry = setup(span_exporter=InMemorySpanExporter())
    telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {})).finish("ok", status=200)
    samples = [sample for family in telemetry.registry.collect() for sample in family.samples]
    assert not [sample for sample in samples if sample.exemplar]
    telemetry.close()

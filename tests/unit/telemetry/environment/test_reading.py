"""Each standard variable is obeyed, or refused by its name; none is ignored, and none leads to a traceback."""

import re
from math import inf
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.environment import Environment, EnvironmentRefused, OtlpTarget, read_environment
from telemetry.names.variables import VARIABLES

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def read(**environ: str) -> Environment:
    return read_environment(environ, lambda name: True)


def target(**environ: str) -> OtlpTarget:
    export = read(**environ).traces
    assert export is not None
    assert export.target is not None
    return export.target


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(EnvironmentRefused) as refused:
        read(**environ)
    return refused.value.problems


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_PROPAGATORS", "tracecontext,b3mutli", "did you mean b3multi"),
        ("OTEL_PROPAGATORS", "ottrace", "'ottrace' is not supported"),
        ("OTEL_PROPAGATORS", "none,b3", "none stands alone"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "is not supported"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "expected one of otlp, console"),
        ("OTEL_METRICS_EXPORTER", "otlp,promtheus", "did you mean prometheus"),
        ("OTEL_LOGS_EXPORTER", "logging", "'logging' is not supported"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http", "expected one of http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpcs", "did you mean grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "'zstd' is not supported"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "expected an address such as"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:port", "expected an address such as"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:/run/otel.sock", "expected an address such as"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no pair", "expected headers as"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=a%0d%0ab", "expected headers as"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "expected a whole number"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "expected a whole number"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes", "expected true or false"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "cannot be read: No such file"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", __file__, "is not PEM"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", __file__, "is not PEM"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", __file__, "takes a client certificate"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "from 1 on"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "more than OTEL_BSP_MAX_QUEUE_SIZE, which is 2048"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "soon", "expected a whole number"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many", "expected a whole number"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "9999999999", "expected a whole number"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_on", "is not supported"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "expected one of cumulative"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a,b", "expected attributes as"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true", "expected one of no_content, span_only"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTNT", "did you mean no_content"),
        ("OTEL_LOG_LEVEL", "loud", "expected one of"),
        ("OTEL_SDK_DISABLED", "1", "expected true or false"),
        ("OTEL_CONFIG_FILE", "otel.yaml", "declarative configuration is not supported"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "9464", "gateway.server.metrics_port"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_by_name(name: str, value: str, words: str) -> None:
    # Lest a variable of one signal stand alone.
    found = problems(**{**ENDPOINT, name: value})
    assert [one for one in found if one.startswith(f"{name}: ") and words in one] == list(found)


def test_all_problems_are_found_in_one_go_and_show_no_value_that_may_be_secret() -> None:
    found = problems(
        OTEL_EXPORTER_OTLP_ENDPOINT="https://user:hunter2@",
        OTEL_EXPORTER_OTLP_HEADERS="authorization Bearer hunter2",
        OTEL_TRACES_SAMPLER="traceidratio",
        OTEL_TRACES_SAMPLER_ARG="1.5",
    )
    names = [problem.partition(":")[0] for problem in found]
    assert sorted(names) == ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER_ARG"]
    assert "hunter2" not in str(found)


def test_what_cannot_be_obeyed_is_refused_where_nothing_is_exported_yet() -> None:
    found = problems(OTEL_EXPORTER_OTLP_PROTOCOL="http", OTEL_EXPORTER_OTLP_COMPRESSION="zstd")
    assert [one.partition(":")[0] for one in found] == ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_COMPRESSION"]


def test_grpc_without_its_package_says_how_to_install_it() -> None:
    environ = {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}
    with pytest.raises(EnvironmentRefused, match=r"TRACES_PROTOCOL: .*pip install 'flowspan\[grpc\]'"):
        read_environment(environ, lambda name: False)
    # What is not exported asks for nothing.
    assert read_environment({**environ, "OTEL_TRACES_EXPORTER": "none"}, lambda name: False).traces is None


def test_times_are_in_milliseconds() -> None:
    export = read(**ENDPOINT, OTEL_BSP_SCHEDULE_DELAY="200", OTEL_EXPORTER_OTLP_TIMEOUT="1500").traces
    assert export is not None
    assert export.target is not None
    assert (export.delay, export.target.timeout) == (0.2, 1.5)
    assert target(**ENDPOINT, OTEL_BSP_EXPORT_TIMEOUT="300").timeout == 0.3
    unlimited = {"OTEL_EXPORTER_OTLP_TIMEOUT": "0", "OTEL_BSP_EXPORT_TIMEOUT": "0"}
    assert target(**ENDPOINT, **unlimited).timeout == inf
    (warning,) = read(**ENDPOINT, OTEL_EXPORTER_OTLP_TIMEOUT="10").warnings
    assert warning.startswith("OTEL_EXPORTER_OTLP_TIMEOUT: 10 are milliseconds")


@pytest.mark.parametrize(
    ("environ", "endpoint", "tls"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/otlp"}, "https://c/otlp/v1/traces", True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/as-it-is"}, "http://c/as-it-is", False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces", False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "otlp"}, "localhost:4317", False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "c:4317", False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://c"}, "c:443", True),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "c:55680"}, "c:55680", True),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "[::1]:4317",
                "OTEL_EXPORTER_OTLP_INSECURE": "TRUE",
            },
            "[::1]:4317",
            False,
        ),
    ],
)
def test_where_spans_go(environ: dict[str, str], endpoint: str, tls: bool) -> None:
    found = target(**environ)
    assert (found.endpoint, found.tls) == (endpoint, tls)


def test_the_variables_of_a_signal_count_before_the_general_ones() -> None:
    found = read(
        **ENDPOINT,
        OTEL_EXPORTER_OTLP_HEADERS="a=1,b=two%20words",
        OTEL_EXPORTER_OTLP_LOGS_HEADERS="c=3",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_LOGS_COMPRESSION="none",
    )
    assert found.traces is not None
    assert found.logs is not None
    assert found.traces.target is not None
    assert found.logs.target is not None
    assert (found.traces.target.headers, found.traces.target.compression) == ({"a": "1", "b": "two words"}, "gzip")
    assert (found.logs.target.headers, found.logs.target.compression) == ({"c": "3"}, "none")
    assert set(found.secrets) == {"1", "two words", "3"}


def test_what_is_exported() -> None:
    nothing = read()
    assert (nothing.traces, nothing.metrics, nothing.logs) == (None, None, None)
    endpoint_alone = read(**ENDPOINT)
    assert endpoint_alone.traces is not None
    assert endpoint_alone.logs is not None
    assert not endpoint_alone.exports_log_lines
    assert endpoint_alone.metrics is None
    both = read(OTEL_TRACES_EXPORTER="otlp,console", OTEL_METRICS_EXPORTER="otlp", OTEL_LOGS_EXPORTER="console")
    assert both.traces is not None
    assert both.traces.target is not None
    assert both.traces.console
    assert both.metrics is not None
    assert both.logs is not None
    assert both.logs.target is None
    assert both.exports_log_lines
    assert read(**ENDPOINT, OTEL_METRICS_EXPORTER="prometheus").metrics is None


def test_a_disabled_sdk_exports_nothing_and_propagates() -> None:
    found = read(**ENDPOINT, OTEL_SDK_DISABLED="true", OTEL_PROPAGATORS="b3", OTEL_CONFIG_FILE="otel.yaml")
    assert (found.traces, found.propagators) == (None, ("b3",))


def test_limits_of_spans_and_records_fall_back_to_the_general_ones() -> None:
    found = read(
        OTEL_ATTRIBUTE_COUNT_LIMIT="9",
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="90",
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="5",
        OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT="50",
    )
    assert (found.span_limits.attributes, found.span_limits.value_length) == (5, 90)
    assert (found.log_limits.attributes, found.log_limits.value_length) == (9, 50)


def test_a_name_that_nothing_reads_is_warned_of_where_it_is_close_to_one() -> None:
    found = read(OTEL_TRACE_SAMPLER="always_off", OTEL_GO_X_FEATURE="1", OTEL_PYTHON_LOG_LEVEL="debug")
    assert found.warnings == ("OTEL_TRACE_SAMPLER: nothing reads it; did you mean OTEL_TRACES_SAMPLER?",)
    (warning,) = read(OTEL_EXPORTER_ZIPKIN_ENDPOINT="http://zipkin").warnings
    assert "no meaning here" in warning


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(VARIABLES)), st.text(max_size=30), max_size=6))
def test_no_value_of_any_variable_is_a_traceback(environ: dict[str, str]) -> None:
    # One that is refused in any case, so that there is always an error to look at.
    always = {"OTEL_SDK_DISABLED": "", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_CONFIG_FILE": "otel.yaml"}
    found = problems(**environ | always)
    assert all(problem.partition(":")[0] in VARIABLES for problem in found)


def test_every_variable_that_the_code_names_is_in_the_table() -> None:
    root = Path(__file__).parents[4]
    named = {
        name.rstrip("_")
        for folder in ("app", "telemetry")
        for path in (root / folder).rglob("*.py")
        for name in re.findall(r"\bOTEL_[A-Z_]*[A-Z]\b", path.read_text())
    }
    assert named <= VARIABLES.keys()


def test_what_is_captured_counts_where_nothing_is_exported_too() -> None:
    variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    assert read(OTEL_SDK_DISABLED="true", **{variable: "NO_CONTENT"}).capture_content == "none"
    assert read(**{variable: "Span_Only"}).capture_content == "span"
    assert "CAPTURE" in problems(OTEL_SDK_DISABLED="true", **{variable: "none"})[0]

"""The standard OTEL_* variables: what the gateway does with each one that OpenTelemetry's specification knows."""

from dataclasses import dataclass
from typing import Literal

Standing = Literal["obeyed", "refused", "without meaning"]


@dataclass(frozen=True)
class VariableSpec:
    """What becomes of a variable. One that is `refused` stops the start where it is set, and `text` says what to do
    instead; one `without meaning` is warned of."""

    standing: Standing
    text: str


VARIABLES: dict[str, VariableSpec] = {}
"""Every variable, by its name."""
SIGNAL_NAMES = ("TRACES", "METRICS", "LOGS")
"""What stands between `OTEL_EXPORTER_OTLP_` and a setting where it holds for one signal alone."""
LANGUAGE_PREFIXES = ("OTEL_PYTHON_", "OTEL_INSTRUMENTATION_", "OTEL_SEMCONV_", "OTEL_RESOURCE_PROVIDERS_")
"""Beginnings of names that instrumentations and other languages have for themselves."""


def _obeyed(name: str, text: str) -> str:
    VARIABLES[name] = VariableSpec("obeyed", text)
    return name


def _refused(name: str, text: str) -> None:
    VARIABLES[name] = VariableSpec("refused", text)


def _without_meaning(name: str, text: str) -> None:
    VARIABLES[name] = VariableSpec("without meaning", text)


def _otlp(setting: str, text: str) -> str:
    for name in ("", *(f"{signal}_" for signal in SIGNAL_NAMES)):
        _obeyed(f"OTEL_EXPORTER_OTLP_{name}{setting}", text)
    return setting


SDK_DISABLED = _obeyed("OTEL_SDK_DISABLED", "`true`: nothing is exported; `/metrics` and propagation stay.")
SERVICE_NAME = _obeyed("OTEL_SERVICE_NAME", "`service.name`, by default `flowspan`.")
RESOURCE_ATTRIBUTES = _obeyed(
    "OTEL_RESOURCE_ATTRIBUTES", "Further attributes of the resource, as `key=value,key=value`."
)
LOG_LEVEL = _obeyed(
    "OTEL_LOG_LEVEL", "The least severe lines of telemetry itself: `debug`, `info`, `warn`, `error` or `none`."
)
PROPAGATORS = _obeyed(
    "OTEL_PROPAGATORS",
    "`tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xray`, several with commas, or `none`; by default "
    "`tracecontext`. A caller's trace is looked for in this order, and the last one that is found counts. Baggage goes "
    "on to providers only where it is named, and the trace goes there, too.",
)
TRACES_SAMPLER = _obeyed(
    "OTEL_TRACES_SAMPLER",
    "`always_on`, `always_off`, `traceidratio`, each alone or with `parentbased_` before it; by default "
    "`parentbased_always_on`.",
)
TRACES_SAMPLER_ARG = _obeyed("OTEL_TRACES_SAMPLER_ARG", "The share that a `traceidratio` keeps, from 0 to 1.")
TRACES_EXPORTER = _obeyed(
    "OTEL_TRACES_EXPORTER",
    "`otlp`, `console` (OTLP/JSON on stdout, a line for each batch), both with a comma, or `none`; by default `otlp` "
    "where an endpoint is set, and `none` elsewhere.",
)
METRICS_EXPORTER = _obeyed(
    "OTEL_METRICS_EXPORTER",
    "`otlp` sends what `/metrics` shows, `console` writes it to stdout; `prometheus` and `none`, the default, add "
    "nothing to `/metrics`, which is there in any case.",
)
LOGS_EXPORTER = _obeyed(
    "OTEL_LOGS_EXPORTER",
    "`otlp` or `console` for the log lines, which stderr has in any case. Events as log records go to the collector "
    "without it, too, unless it is `none`.",
)

BSP_DELAY = _obeyed("OTEL_BSP_SCHEDULE_DELAY", "Milliseconds between two batches of spans, by default 5000.")
BSP_TIMEOUT = _obeyed(
    "OTEL_BSP_EXPORT_TIMEOUT", "Milliseconds that a batch of spans may take, with its retries, by default 30000."
)
BSP_QUEUE = _obeyed("OTEL_BSP_MAX_QUEUE_SIZE", "Spans that may wait, by default 2048; more are lost, and counted.")
BSP_BATCH = _obeyed("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "Spans of one batch, by default 512.")
BLRP_DELAY = _obeyed("OTEL_BLRP_SCHEDULE_DELAY", "Milliseconds between two batches of log records, by default 1000.")
BLRP_TIMEOUT = _obeyed(
    "OTEL_BLRP_EXPORT_TIMEOUT", "Milliseconds that a batch of log records may take, with its retries, by default 30000."
)
BLRP_QUEUE = _obeyed("OTEL_BLRP_MAX_QUEUE_SIZE", "Log records that may wait, by default 2048.")
BLRP_BATCH = _obeyed("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "Log records of one batch, by default 512.")
METRIC_INTERVAL = _obeyed(
    "OTEL_METRIC_EXPORT_INTERVAL", "Milliseconds between two exports of metrics, by default 60000."
)
METRIC_TIMEOUT = _obeyed(
    "OTEL_METRIC_EXPORT_TIMEOUT", "Milliseconds that an export of metrics may take, by default 30000."
)
EXEMPLAR_FILTER = _obeyed(
    "OTEL_METRICS_EXEMPLAR_FILTER", "`trace_based`, the default, or `always_off`; `always_on` is refused."
)
TEMPORALITY = _obeyed(
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "`cumulative` alone: `delta` and `lowmemory` are refused."
)
HISTOGRAM_AGGREGATION = _obeyed(
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    "`explicit_bucket_histogram` alone; the exponential one is refused.",
)

VALUE_LENGTH = _obeyed(
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "Characters of a text in an attribute; by default 8192 where others wrote it.",
)
ATTRIBUTE_COUNT = _obeyed("OTEL_ATTRIBUTE_COUNT_LIMIT", "Attributes of a span or a log record, by default 128.")
SPAN_VALUE_LENGTH = _obeyed(
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "As `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`, for spans, their events and links alone.",
)
SPAN_ATTRIBUTE_COUNT = _obeyed("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "Attributes of a span, before the general limit.")
SPAN_EVENT_COUNT = _obeyed("OTEL_SPAN_EVENT_COUNT_LIMIT", "Events of a span, by default 256.")
SPAN_LINK_COUNT = _obeyed("OTEL_SPAN_LINK_COUNT_LIMIT", "Links of a span, by default 128.")
EVENT_ATTRIBUTE_COUNT = _obeyed("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "Attributes of an event of a span, by default 128.")
LINK_ATTRIBUTE_COUNT = _obeyed("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "Attributes of a link, by default 128.")
LOG_VALUE_LENGTH = _obeyed(
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "As `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`, for exported log records alone.",
)
LOG_ATTRIBUTE_COUNT = _obeyed(
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "Attributes of an exported log record, before the general limit."
)

ENDPOINT = _otlp(
    "ENDPOINT",
    "An http(s) address. The general one gets `/v1/traces`, `/v1/metrics` or `/v1/logs` behind it, that of a signal is "
    "taken as it is. By default `http://localhost:4318`, with gRPC `http://localhost:4317`, which may stand without a "
    "scheme, too.",
)
PROTOCOL = _otlp(
    "PROTOCOL",
    "The transport: http/protobuf, the default, http/json, or grpc, which takes `pip install 'flowspan[grpc]'`.",
)
HEADERS = _otlp("HEADERS", "Headers of an export, as `name=value,name=value`; scrubbed from all that is logged.")
TIMEOUT = _otlp(
    "TIMEOUT",
    "**Milliseconds**, as the specification says, and not the seconds of OpenTelemetry's own Python exporters: how "
    "long a batch may take with its retries, by default 10000; 0 for no limit.",
)
COMPRESSION = _otlp("COMPRESSION", "`gzip`, `deflate` (not with gRPC) or `none`, the default.")
CERTIFICATE = _otlp("CERTIFICATE", "A file of certificates in PEM to trust, in place of the usual ones.")
CLIENT_KEY = _otlp("CLIENT_KEY", "A file with the key of the client certificate.")
CLIENT_CERTIFICATE = _otlp("CLIENT_CERTIFICATE", "A file with the certificate to show, for mutual TLS.")
INSECURE = _otlp("INSECURE", "`true`: gRPC without TLS, where the endpoint has no scheme to tell.")

SEMCONV_OPT_IN = _obeyed(
    "OTEL_SEMCONV_STABILITY_OPT_IN", "By the instrumentation of the routes that are no transactions."
)
CAPTURE_CONTENT = _obeyed(
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
    "`NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`, in place of `telemetry.capture_content`.",
)
_obeyed("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "Names of installed detectors of the resource.")

for _name in ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"):
    _refused(_name, "declarative configuration is not supported: set the single OTEL_* variables")
_refused("OTEL_ENTITIES", "entities are not supported: set OTEL_RESOURCE_ATTRIBUTES")
for _name in ("OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT"):
    _setting = "metrics_" + _name.rpartition("_")[2].lower()
    _refused(_name, f"the address of /metrics is set in the configuration, as gateway.server.{_setting}")
for _name in ("", *(f"{signal}_" for signal in SIGNAL_NAMES)):
    for _transport in ("HTTP", "GRPC"):
        _refused(
            f"OTEL_PYTHON_EXPORTER_OTLP_{_transport}_{_name}CREDENTIAL_PROVIDER",
            "credential providers are not supported: set OTEL_EXPORTER_OTLP_HEADERS or a client certificate",
        )
for _name in ("ENDPOINT", "TIMEOUT", "PROTOCOL"):
    _without_meaning(f"OTEL_EXPORTER_ZIPKIN_{_name}", "there is no Zipkin exporter: use OTLP")
for _name in ("AGENT_HOST", "AGENT_PORT", "AGENT_SPLIT_OVERSIZED_BATCHES", "ENDPOINT", "TIMEOUT", "USER", "PASSWORD"):
    _without_meaning(f"OTEL_EXPORTER_JAEGER_{_name}", "there is no Jaeger exporter: Jaeger takes OTLP")
for _name in ("SPAN", "METRIC"):
    _without_meaning(f"OTEL_EXPORTER_OTLP_{_name}_INSECURE", "an old name: the signals are TRACES, METRICS and LOGS")
for _name in ("TRACER", "METER", "LOGGER"):
    _without_meaning(f"OTEL_PYTHON_{_name}_CONFIGURATOR", "the gateway makes its exporters itself")
_without_meaning("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "the exports are counted by flowspan_telemetry_*")

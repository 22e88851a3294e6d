"""The formats in which a trace goes from process to process, by the names that OTEL_PROPAGATORS has for them."""

PROPAGATORS = ("tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "none")
DEFAULT_PROPAGATORS = ("tracecontext",)
"""Without baggage, unlike the specification: what callers say there is not for providers unless an operator asks."""

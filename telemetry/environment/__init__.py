"""The standard OTEL_* variables: obeyed, or refused by name before anything is started.

reading ......... all of them, to an `Environment`; or `EnvironmentRefused` with every problem
targets ......... where a signal goes by OTLP
variables ....... one variable, by its kind
"""

from telemetry.environment.reading import Environment, EnvironmentRefused, SignalExport, read_environment
from telemetry.environment.targets import OtlpTarget

__all__ = ["Environment", "EnvironmentRefused", "OtlpTarget", "SignalExport", "read_environment"]

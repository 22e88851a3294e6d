"""What telemetry says of the program that it comes from."""

from importlib.metadata import version

SERVICE = "flowspan"
"""`service.name` where the environment gives no other."""
VERSION = version("flowspan")
"""`service.version`, and that of the instrumentation scope."""
SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
"""The version of the semantic conventions whose names are used."""

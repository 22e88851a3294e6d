"""The standard OTEL_* variables, checked with the configuration, so that all that is wrong is found in one go."""

from collections.abc import Mapping

from app.configuration.problems import Problem
from telemetry.environment import EnvironmentRefused, read_environment
from telemetry.names.variables import CAPTURE_CONTENT

_SOURCE = "environment"
"""What stands where other problems have their file."""


def check_telemetry_variables(
    environ: Mapping[str, str], *, keeps_content_out: bool = False
) -> tuple[list[Problem], list[Problem]]:
    """Problems and warnings of the OTEL_* variables. With `keeps_content_out` the configuration promises that no
    content is recorded."""
    try:
        environment = read_environment(environ)
    except EnvironmentRefused as refused:
        return [Problem(_SOURCE, 0, "", text) for text in refused.problems], []
    if keeps_content_out and environment.capture_content not in (None, "none"):
        message = "records the content that litellm_settings.turn_off_message_logging keeps out of records"
        return [Problem(_SOURCE, 0, "", f"{CAPTURE_CONTENT}: {message}")], []
    return [], [Problem(_SOURCE, 0, "", text) for text in environment.warnings]

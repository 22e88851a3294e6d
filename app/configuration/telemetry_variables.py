"""The standard OTEL_* variables, checked with the configuration, so that all that is wrong is found in one go."""

from collections.abc import Mapping

from app.configuration.problems import Problem
from telemetry.environment import EnvironmentRefused, read_environment

_SOURCE = "environment"
"""What stands where other problems have their file."""


def check_telemetry_variables(environ: Mapping[str, str]) -> tuple[list[Problem], list[Problem]]:
    """Problems and warnings of the OTEL_* variables."""
    try:
        environment = read_environment(environ)
    except EnvironmentRefused as refused:
        return [Problem(_SOURCE, 0, "", text) for text in refused.problems], []
    return [], [Problem(_SOURCE, 0, "", text) for text in environment.warnings]

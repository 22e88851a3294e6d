"""Configuration: a YAML file, in LiteLLM's format with a section `gateway`, to `Settings`.

The one place that reads the environment. All that is wrong is found in one go, each with file, line and key. Keys of
LiteLLM's that change nothing here, or there, are warned of; those that guard something refuse the start (`guards`).
"""

from app.configuration.binding import UnsafeBind, check_bind, where_keys_are
from app.configuration.changes import Change, changes, in_force
from app.configuration.environment import export, inherited
from app.configuration.loading import Configuration, load, parse
from app.configuration.problems import ConfigurationRefused, Problem, grouped
from app.configuration.source import Source
from app.configuration.telemetry_variables import check_telemetry_variables

__all__ = [
    "Change",
    "Configuration",
    "ConfigurationRefused",
    "Problem",
    "Source",
    "UnsafeBind",
    "changes",
    "check_bind",
    "check_telemetry_variables",
    "export",
    "grouped",
    "in_force",
    "inherited",
    "load",
    "parse",
    "where_keys_are",
]

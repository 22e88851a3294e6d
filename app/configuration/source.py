"""Where a gateway's settings come from, so that they can be read once more: the file, and what the command line changes
in it."""

import dataclasses
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.configuration.environment import inherited
from app.configuration.loading import Configuration, load
from app.settings import Settings


class Source(Struct, frozen=True):
    """A configuration file and the options of the command line, which come before it."""

    file: str
    server: dict[str, Any] = {}
    """Fields of `ServerSettings`, those that were given."""
    console: dict[str, Any] = {}
    """Fields of `ConsoleSettings`."""
    log_format: str | None = None

    def load(self) -> Configuration:
        """Read the file as it is now. Raises ConfigurationRefused, OSError and UnicodeDecodeError."""
        configuration = load(self.file, inherited())
        return dataclasses.replace(configuration, settings=self._changed(configuration.settings))

    def _changed(self, settings: Settings) -> Settings:
        settings = replace(
            settings,
            server=replace(settings.server, **self.server),
            console=replace(settings.console, **self.console),
        )
        if self.log_format is not None:
            settings = replace(settings, telemetry=replace(settings.telemetry, log_format=self.log_format))
        return settings

"""A gateway whose configuration is a file, which a test changes."""

from pathlib import Path

from app.configuration import Source
from app.serving.reloading import Reloaded, Reloader, ReloadRefused
from tests.behaviour.gateway import RunningGateway


class ReloadingGateway(RunningGateway):
    """The gateway of `file`, which is written in `folder`."""

    def __init__(self, folder: Path, configuration: str, name: str = "flowspan.yaml") -> None:
        self.file = folder / name
        if not self.file.exists():
            self.file.write_text(configuration)
        source = Source(str(self.file), {"port": 0, "metrics_port": 0})
        loaded = source.load()
        super().__init__(loaded.settings)
        self.reloader = Reloader(source, loaded, self.composition, (self.server,))

    def change(self, configuration: str) -> Reloaded:
        """Write another configuration into the file and read it; raises ReloadRefused."""
        self.file.write_text(configuration)
        return self.run(self.reloader.reload("a test"))

    def refused(self, configuration: str) -> tuple[str, ...]:
        """Write a configuration that cannot be used; returns its problems."""
        try:
            self.change(configuration)
        except ReloadRefused as refused:
            return refused.problems
        raise AssertionError("the configuration was not refused")

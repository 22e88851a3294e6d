"""`flowspan serve` as a process that others may come to succeed: what all of them log is in one file."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.behaviour.gateway import until
from tests.behaviour.process import COMMAND

_SUCCESSION = re.compile(r"process (\d+) serves in the place of this one")


class Started:
    """Runs `before` (a wrapper's words) and the command with these options; all processes are killed at the end."""

    def __init__(
        self,
        directory: Path,
        text: str,
        options: Sequence[str] = (),
        *,
        before: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        file = directory / "flowspan.yaml"
        file.write_text(text)
        self._log = directory / "log"
        words = [*before, *COMMAND, "serve", str(file), *options]
        with self._log.open("wb") as log:
            environment = {**os.environ, "FLOWSPAN_KEY": "", **(environ or {})}
            self.process = subprocess.Popen(words, stderr=log, env=environment, start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def messages(self) -> list[str]:
        """The messages of its lines so far."""
        return [str(json.loads(line)["message"]) for line in self.log.splitlines() if line.startswith("{")]

    def until_logged(self, text: str, timeout: float = 60) -> None:
        until(lambda: text in self.log, f"{text!r} in the log, which is\n{self.log}", timeout)

    def successors(self) -> list[int]:
        """The process ids of those that came to serve in another's place."""
        return [int(one) for one in _SUCCESSION.findall(self.log)]

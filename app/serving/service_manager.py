"""What a service manager is told of the process: that it serves, reads its configuration anew, ends, and lives.

The words are systemd's (sd_notify(3)); whoever starts the process with NOTIFY_SOCKET gets them. Without that variable
nothing is said.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping

_log = logging.getLogger("flowspan")
_SEND_LIMIT = 1.0
_PARTS = 3
"""Signs of life within the time after which the manager takes the process for dead."""


class ServiceManager:
    """Talks to the manager that `environ` names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET") or None
        is_watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        text = environ.get("WATCHDOG_USEC", "")
        self.watchdog = int(text) / 1e6 if is_watched and text.isdecimal() else 0.0
        """Seconds without a sign of life after which the manager ends the process; 0 for never."""

    def ready(self) -> None:
        """The process serves, or has done with reading its configuration."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read anew."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The process has begun to end."""
        self._send("STOPPING=1")

    def succeeded_by(self, pid: int) -> None:
        """Another process serves in the place of this one, which has nothing to say any more."""
        self._send(f"MAINPID={pid}")
        self._address = None

    async def show_life(self) -> None:
        """Show for as long as the event loop runs that it does, where the manager asks for it."""
        while self.watchdog and self._address is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / _PARTS)

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_LIMIT)
                sender.connect(address)
                sender.sendall(message.encode())
        except OSError as error:
            _log.warning("the service manager cannot be told %s: %s", message.partition("\n")[0], error.strerror)

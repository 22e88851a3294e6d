"""What a process was started with: sockets, the process in whose place it comes, and a service manager."""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Self

from app.edge.inherited import BadSockets, InheritedSockets, SocketName, inherited_sockets
from app.serving.listening import Listening
from app.serving.service_manager import ServiceManager
from app.serving.succession import HandsOver, NotSucceeded, Predecessor, start_successor

__all__ = ["BadSockets", "Start"]

_log = logging.getLogger("flowspan")


@dataclass(frozen=True)
class Start:
    """By itself, from a shell, a process is started with none of them."""

    inherited: InheritedSockets = field(default_factory=InheritedSockets)
    predecessor: Predecessor = field(default_factory=lambda: Predecessor({}))
    manager: ServiceManager = field(default_factory=lambda: ServiceManager({}))

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Self:
        """What the variables tell; those that are for this process alone are taken out of `environ`. Raises
        BadSockets."""
        return cls(inherited_sockets(environ), Predecessor(environ), ServiceManager(environ))

    def addresses(self) -> tuple[dict[str, object], dict[str, object]]:
        """The fields of `ServerSettings` and `ConsoleSettings` that say where the inherited sockets are: what is bound
        already counts, whatever the configuration says."""
        server: dict[str, object] = {}
        console: dict[str, object] = {}
        if self.inherited.of("gateway"):
            host, port = self.inherited.address("gateway") or ("127.0.0.1", None)
            server.update(host=host, port=port, uds=self.inherited.unix_path("gateway"))
        if (metrics := self.inherited.address("metrics")) is not None:
            server.update(metrics_host=metrics[0], metrics_port=metrics[1])
        if (found := self.inherited.address("console")) is not None:
            console.update(host=found[0], port=found[1])
        return server, console

    async def hand_over(self, listening: Listening, beside: Mapping[SocketName, HandsOver]) -> bool:
        """Have another process serve on all of these sockets, and leave them to it. False, after a line in the log,
        where none comes to serve: this one serves on."""
        sockets = {name: part.sockets for name, part in beside.items()}
        try:
            pid = await start_successor({"gateway": listening.sockets, **sockets}, self.inherited)
        except NotSucceeded as error:
            _log.error("no other process takes the place of this one, which serves on: %s", error)
            return False
        self.manager.succeeded_by(pid)
        listening.hand_over()
        for part in beside.values():
            await asyncio.to_thread(part.hand_over)
        return True

"""`python -m tests.real.gateway CONFIG PORT METRICS_PORT`: the gateway as `flowspan serve` runs it, with small buffers.

The kernel would hold megabytes for a client that does not read; here it is felt at once, as on a slow network.
"""

import asyncio
import socket
import sys
from contextlib import suppress

from app.configuration import Source
from app.main import compose
from app.serving.administration import AuditedReloads, administration_of
from app.serving.reloading import Reloader
from app.serving.server import GatewayServer
from app.settings import Seconds
from telemetry import MetricsServer

_KERNEL_BUFFER = 16 * 1024


def main(config: str, port: int, metrics_port: int) -> None:
    # No balancer has to notice first that it is about to end.
    source = Source(config, server={"lame_duck": Seconds(0)})
    configuration = source.load()
    settings = configuration.settings
    composition = compose(settings)
    app = composition.app
    metrics = MetricsServer(app.gateway.telemetry.registry, port=metrics_port)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    server = GatewayServer(settings, app)
    reloader = Reloader(source, configuration, composition, (server,))
    server.reloader = AuditedReloads(reloader, administration_of(app, reloader).audited)
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve([listening]))
    metrics.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

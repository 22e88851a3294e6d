"""The gateway's event loop; what the server does with connections and signals is in tests/behaviour."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from app.lookups import Lookups
from app.serving.server import GatewayLoop
from app.settings import DnsSettings


def test_the_systems_own_names_are_known_to_the_event_loop_and_addresses_are_not_looked_up() -> None:
    asked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any) -> Any:
        asked.append(host)
        return real(host, *rest)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM, family=socket.AF_INET)
        assert [info[4] for info in found] == [("127.0.0.1", 80)]
        assert asked == ["localhost"]
        for address in ("127.0.0.1", "::1"):
            assert (await loop.getaddrinfo(address, 80, type=socket.SOCK_STREAM))[0][4][:2] == (address, 80)
        assert asked == ["localhost"]

    lookups = Lookups(DnsSettings(), getaddrinfo=getaddrinfo)
    with asyncio.Runner(loop_factory=partial(GatewayLoop, lookups)) as runner:
        runner.run(main())

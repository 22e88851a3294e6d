"""Connections by way of a proxy, with its failures apart from those of the provider behind it.

aiohttp asks the proxy and agrees on TLS with the provider in one step, under one limit, and raises the same errors for
both. Here these are two steps: connect to the proxy and have it make a tunnel, then TLS through the tunnel. What goes
wrong in the first is the proxy's; each has the limit of a connection for itself. A provider whose address is http is
asked in absolute form, without a tunnel: its first step is the connection to the proxy alone.
"""

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class ProxyConnectionFailed(aiohttp.ClientConnectionError):
    """The proxy could not be reached in time, or made no tunnel: `status` is what it answered to CONNECT."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ProxyConnector(aiohttp.TCPConnector):
    """aiohttp's pool, whose connections by way of a proxy raise `ProxyConnectionFailed`."""

    async def _create_proxy_connection(self, req: aiohttp.ClientRequest, *given: Any) -> Any:
        limits: aiohttp.ClientTimeout = given[-1]
        transport: Any
        try:
            async with asyncio.timeout(limits.sock_connect):
                transport, protocol = await super()._create_proxy_connection(req, *given)
        except aiohttp.ClientHttpProxyError as error:
            # Its request, which is quoted with it, has the proxy's password.
            raise ProxyConnectionFailed(f"{req.proxy} made no tunnel", error.status) from None
        except TimeoutError as error:
            raise ProxyConnectionFailed(f"{req.proxy} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ProxyConnectionFailed(f"{req.proxy} could not be reached") from error
        if not req.is_ssl():
            return transport, protocol
        return await super()._start_tls_connection(transport, req, limits)

    async def _start_tls_connection(
        self, underlying_transport: asyncio.Transport, *given: Any, **named: Any
    ) -> tuple[asyncio.BaseTransport, ResponseHandler]:
        """Leave TLS to whoever asked for the tunnel, whose time it is not."""
        return underlying_transport, self._factory()

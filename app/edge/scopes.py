"""What ASGI's scope says of a connection and of a head. What is the same in many scopes is made once."""

import asyncio
import ssl

from starlette.types import Scope
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from app.edge.parser import Head
from app.edge.tls import tls_extension
from app.edge.unix_sockets import PEER, peer_of
from app.gateway.client_connection import CONNECTION


def scope_of_connection(transport: asyncio.Transport) -> Scope:
    """What is the same in the scope of every request of a connection."""
    encrypted: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    client, extensions = get_remote_addr(transport), {}
    if client is None and (peer := peer_of(transport)) is not None:
        extensions[PEER] = {"credentials": peer}
    if encrypted is not None:
        extensions["tls"] = tls_extension(encrypted)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "server": get_local_addr(transport),
        "client": client,
        "scheme": "http" if encrypted is None else "https",
        "root_path": "",
        "extensions": extensions,
    }


def scope_of_head(head: Head, of_connection: Scope, connection: object) -> Scope:
    """What is the same in the scope of every request with a head: the application keeps what it makes of it with the
    `connection`, so that of another head is not among it."""
    target = head.target
    return {
        **of_connection,
        "extensions": {**of_connection["extensions"], CONNECTION: {"connection": connection}},
        "http_version": head.version,
        "method": head.method,
        "path": target.path,
        "raw_path": target.raw_path,
        "query_string": target.query,
    }

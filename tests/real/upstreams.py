"""What stands between a gateway and a provider: tinyproxy, and nginx with TLS before a provider in clear."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import Authority, Issued
from tests.real.nginx import nginx_command
from tests.real.programs import Process, free_port, need

USER, PASSWORD = "me", "open-sesame-0123456789"
_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 50
LogFile "{folder}/tinyproxy.requests"
LogLevel Info
PidFile "{folder}/tinyproxy.pid"
{options}
"""
_NGINX = """
    server {{
        listen {address}:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {authority};
        ssl_verify_client {asks};
        keepalive_timeout 60s;
        location / {{
            proxy_pass http://127.0.0.1:{provider};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header X-Client-Name $ssl_client_s_dn;
            proxy_set_header X-Connection $connection;
        }}
    }}
"""


@dataclass(frozen=True)
class Tinyproxy:
    port: int
    log: Path
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def with_password(self) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def requests(self) -> list[str]:
        """What it was asked: `CONNECT 127.0.0.1:8443 HTTP/1.1`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.rpartition("): ")[2] for line in lines if "Request (file descriptor" in line]


@contextmanager
def tinyproxy(folder: Path, *options: str) -> Iterator[Tinyproxy]:
    """tinyproxy, with further lines of its configuration, once it listens."""
    port = free_port()
    file = folder / "tinyproxy.conf"
    file.write_text(_TINYPROXY.format(port=port, folder=folder, options="\n".join(options)))
    with Process([need("tinyproxy"), "-d", "-c", str(file)], folder / "tinyproxy.log") as process:
        process.until(lambda: listens("127.0.0.1", port), "it listens")
        yield Tinyproxy(port, folder / "tinyproxy.requests", process)


@contextmanager
def nginx(
    folder: Path,
    authority: Authority,
    issued: Issued,
    provider_url: str,
    *,
    asks: str = "on",
    address: str = "127.0.0.1",
) -> Iterator[int]:
    """The port of nginx with TLS, which asks for client certificates as `ssl_verify_client` says."""
    port = free_port()
    http = _NGINX.format(
        address=address,
        port=port,
        certificate=issued.certificate,
        key=issued.key,
        authority=authority.certificate,
        asks=asks,
        provider=provider_url.rpartition(":")[2],
    )
    with Process(nginx_command(folder, http), folder / "nginx.log") as process:
        process.until(lambda: listens(address, port), "it listens")
        yield port


def listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def address_in_the_network() -> str:
    """An address of this machine that is not loopback; nothing is sent to find it."""
    for network in ("203.0.113.1", "192.0.2.1", "10.0.0.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.connect((network, 9))
            return str(probe.getsockname()[0])
    return "127.0.0.1"

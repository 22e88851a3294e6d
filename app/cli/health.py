"""`flowspan health`: asks a running gateway whether it is ready.

Probes begin a process each time, so it imports little.
"""

import socket
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click

from app.cli.files import one_file, reading, takes_configuration

ADDRESS_FILE = "FLOWSPAN_ADDRESS_FILE"
_PATH = "/readyz"


@click.command()
@takes_configuration
@click.option("--url", help="Where the gateway listens: http://HOST:PORT, https://HOST:PORT or unix:PATH.")
@click.option("--address-file", envvar=ADDRESS_FILE, show_envvar=True, help="The file in which it wrote its address.")
@click.option("--timeout", type=click.FloatRange(0.1, 60), default=2.0, show_default=True, help="Seconds to wait.")
def health(argument: str | None, option: str | None, url: str | None, address_file: str | None, timeout: float) -> None:
    """Ask a running gateway on this machine whether it is ready. Exit status 1: it is not, or cannot be asked.

    It is asked at --url, else where the configuration FILE says that it listens, else where --address-file says.
    """
    if url is None:
        url = _configured(argument, option) if argument or option else _written(address_file)
    try:
        status, text = _get(url, timeout)
    except (OSError, ValueError, HTTPException) as error:
        # A response that is none has no words of its own.
        _end(f"{url} cannot be asked: {error or type(error).__name__}")
    if status != 200:
        _end(f"{url} is not ready: {status} {text}")
    click.echo(f"{url} is ready")


def _configured(argument: str | None, option: str | None) -> str:
    file = one_file(argument, option, "")
    from app.configuration import load
    from app.serving.address_file import address_of
    from app.serving.listening import scheme_of

    with reading(file):
        server = load(file, needs_environment=False).settings.server
    if server.port is None or (server.tls.is_on and server.uds is not None):
        return f"unix:{server.uds}"
    address = address_of(server.host, server.port, scheme_of(server))
    if server.tls.client_ca_file and server.tls.client_certificates == "required":
        _end(
            f"{address} cannot be asked: clients have to show a certificate there, and this command has none. "
            "Have the gateway serve on a Unix socket, too: uds in gateway.server"
        )
    return address


def _written(address_file: str | None) -> str:
    if address_file is None:
        _end(f"Which gateway? Give its configuration, --url or --address-file, or set {ADDRESS_FILE}.")
    try:
        return Path(address_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        _end(f"no gateway has written its address: {address_file}: {reason}")


def _get(url: str, timeout: float) -> tuple[int, str]:
    """Status and beginning of the response. Raises OSError, ValueError and HTTPException."""
    connection = _connection(url, timeout)
    try:
        connection.request("GET", _PATH)
        response = connection.getresponse()
        return response.status, response.read(200).decode(errors="replace")
    finally:
        connection.close()


def _connection(url: str, timeout: float) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path, timeout)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address is http://HOST:PORT, https://HOST:PORT or unix:PATH")
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    import ssl

    context = ssl.create_default_context()
    # It is asked by an address that its certificate does not name, and is told nothing that is secret.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _end(message: str) -> NoReturn:
    """End with 1, as Docker has no other status for what is not well."""
    click.echo(message, err=True)
    sys.exit(1)

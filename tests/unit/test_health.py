"""`flowspan health`: where it asks, and what it takes for an answer."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.serving.address_file import AddressFile, address_of


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def address_string(self) -> str:
        return "somebody"


class _UnixServer(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)


@contextmanager
def serving(server: HTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port if server.address_family == socket.AF_INET else 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ready() -> Iterator[int]:
    with serving(HTTPServer(("127.0.0.1", 0), _Ready)) as port:
        yield port


def health(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["health", *arguments], env={"FLOWSPAN_ADDRESS_FILE": None})


def configured(tmp_path: Path, server: str) -> str:
    file = tmp_path / "flowspan.yaml"
    file.write_text(
        f"model_list: [{{model_name: m, litellm_params: {{model: simulated/echo}}}}]\ngateway: {{server: {server}}}\n"
    )
    return str(file)


def test_it_asks_where_it_is_told_to(ready: int) -> None:
    assert health("--url", f"http://127.0.0.1:{ready}").output == f"http://127.0.0.1:{ready} is ready\n"


def test_it_asks_where_the_configuration_says(ready: int, tmp_path: Path) -> None:
    # It is asked on this machine, whoever else may ask there.
    found = health(configured(tmp_path, f"{{host: 0.0.0.0, port: {ready}}}"))
    assert (found.exit_code, found.output) == (0, f"http://127.0.0.1:{ready} is ready\n")


def test_it_asks_by_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with serving(_UnixServer(path, _Ready)):  # type: ignore[arg-type]
        assert health("--url", f"unix:{path}").exit_code == 0
    assert health("--url", f"unix:{path}.none").exit_code == 1


def test_it_asks_by_tls_whatever_name_the_certificate_has(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    names = ("-subj", "/CN=llm.example.com", "-keyout", key, "-out", certificate)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = HTTPServer(("127.0.0.1", 0), _Ready)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        assert health("--url", f"https://127.0.0.1:{port}").exit_code == 0


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("127.0.0.1:8080", "an address is http://HOST:PORT"),
        ("http://", "an address is http://HOST:PORT"),
        ("http://127.0.0.1:none", "Port could not be cast"),
        ("ftp://127.0.0.1", "an address is http://HOST:PORT"),
    ],
)
def test_what_is_no_address_is_told(url: str, reason: str) -> None:
    found = health("--url", url)
    assert (found.exit_code, reason in found.output) == (1, True)


def test_a_path_that_says_something_else_is_not_well(ready: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = health("--url", f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.1")
    assert (found.exit_code, "cannot be asked: timed out" in found.output) == (1, True)


def test_it_does_not_guess() -> None:
    found = health()
    assert (found.exit_code, "Which gateway?" in found.output) == (1, True)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("10.0.0.5", "http://10.0.0.5:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_all_addresses_are_asked_at_that_of_this_machine(host: str, url: str) -> None:
    assert address_of(host, 80) == url


def test_the_file_of_another_gateway_is_left(tmp_path: Path) -> None:
    path = tmp_path / "address"
    first, second = AddressFile(str(path)), AddressFile(str(path))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        first.write([listening])
        second.write([listening])
        first.remove()
        assert path.read_text() == f"http://127.0.0.1:{listening.getsockname()[1]}\n"
        second.remove()
    assert list(tmp_path.iterdir()) == []

"""`flowspan health` says of a running gateway what its load balancer is told, wherever it listens."""

import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.cli.health import ADDRESS_FILE
from tests.behaviour.clients import CHAT, ask, post
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import COMMAND, Served
from tests.certificates import Authority

ECHO = configuration(simulated("echo"), "  server: {lame_duck: 30s, drain_timeout: 1s}")


def health(file: Path) -> Result:
    return CliRunner().invoke(main, ["health"], env={ADDRESS_FILE: str(file)})


@pytest.mark.timeout(120)
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_readiness_fails_first_and_then_the_gateway_ends(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "address"
    with Served(tmp_path, ECHO, options=("--address-file", str(file), *options)) as served:
        until(file.exists, "it has written where it listens", 20)
        assert file.read_text() == f"http://127.0.0.1:{served.port}\n"
        assert (health(file).exit_code, health(file).output) == (0, f"http://127.0.0.1:{served.port} is ready\n")

        served.send(signal.SIGTERM)
        until(lambda: health(file).exit_code == 1, "it is unready")
        assert 'is not ready: 503 {"status":"draining"}' in health(file).output
        assert post(served, CHAT, ask("echo")).status == 200

        served.send(signal.SIGINT)
        served.end()
    assert health(file).exit_code == 1
    assert "no gateway has written its address" in health(file).output


@pytest.mark.timeout(120)
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_a_port_that_speaks_tls_is_asked_by_it(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "address"
    authority = Authority(tmp_path)
    served_with = authority.issue("server")
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    tls = f"{{cert_file: {served_with.certificate}, key_file: {served_with.key}}}"
    text = configuration(simulated("echo"), f"  server: {{tls: {tls}}}")
    with Served(tmp_path, text, options=("--address-file", str(file), *options), tls=trusting) as served:
        until(lambda: health(file).exit_code == 0, "it is ready", 20)
        assert health(file).output == f"https://127.0.0.1:{served.port} is ready\n"


def test_of_a_port_that_may_want_a_certificate_the_unix_socket_beside_it_is_asked(tmp_path: Path) -> None:
    file, socket = tmp_path / "address", tmp_path / "socket"
    authority = Authority(tmp_path)
    served_with = authority.issue("server")
    files = f"cert_file: {served_with.certificate}, key_file: {served_with.key}"
    tls = f"{{{files}, client_ca_file: {authority.certificate}}}"
    text = configuration(simulated("echo"), f"  server: {{uds: {socket}, tls: {tls}}}")
    with Served(tmp_path, text, options=("--address-file", str(file)), uds=socket):
        until(file.exists, "it has written where it listens", 20)
        assert health(file).output == f"unix:{socket} is ready\n"


def test_one_that_was_killed_is_not_well(tmp_path: Path) -> None:
    file = tmp_path / "address"
    with Served(tmp_path, ECHO, options=("--address-file", str(file))) as served:
        until(file.exists, "it has written where it listens")
        served.send(signal.SIGKILL)
        served.process.wait()
        found = health(file)
    assert found.exit_code == 1
    assert "cannot be asked: [Errno 111] Connection refused" in found.output


def test_a_file_that_cannot_be_written_stops_nobody_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "no-folder" / "address"
    with Served(tmp_path, ECHO, options=("--address-file", str(file))) as served:
        assert post(served, CHAT, ask("echo")).status == 200
        served.send(signal.SIGINT)
        log = served.end()
    assert f"the address file {file} cannot be written: No such file or directory" in log
    assert health(file).exit_code == 1


def test_where_clients_need_a_certificate_it_says_so_and_asks_at_the_unix_socket(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued, path = authority.issue("server"), tmp_path / "s"
    tls = f"{{cert_file: {issued.certificate}, key_file: {issued.key}, client_ca_file: {authority.certificate}}}"
    file = tmp_path / "flowspan.yaml"
    file.write_text(configuration(simulated("echo"), f"  server: {{port: 1, tls: {tls}}}"))
    found = CliRunner().invoke(main, ["health", str(file)])
    assert found.exit_code == 1
    assert "https://127.0.0.1:1 cannot be asked: clients have to show a certificate there" in found.output

    file.write_text(configuration(simulated("echo"), f"  server: {{port: 1, uds: {path}, tls: {tls}}}"))
    assert f"unix:{path} cannot be asked" in CliRunner().invoke(main, ["health", str(file)]).output


def test_a_probe_imports_little() -> None:
    script = (
        "import sys; from app.cli import main\n"
        "try: main(['health', '--url', 'http://127.0.0.1:1'])\n"
        "except SystemExit as ended: print(ended.code, [name for name in sys.modules if name in"
        " ('app.configuration', 'app.settings', 'aiohttp', 'asyncio', 'pydantic', 'yaml')])"
    )
    done = subprocess.run([*COMMAND[:2], script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1 []\n"

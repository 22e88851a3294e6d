"""The units of deploy/systemd, as systemd itself reads them; and a gateway that systemd's tool starts by its socket."""

import json
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, ask, post, request
from tests.behaviour.gateway import configuration, simulated
from tests.behaviour.started import Started
from tests.real.programs import ROOT, free_port, need, output_of

UNITS = ROOT / "deploy" / "systemd"
MOST_EXPOSED = 1.6
"""What systemd-analyze counts at most, from 0 to 10, of what the service could do beyond what it has to."""


class At:
    def __init__(self, port: int) -> None:
        self.port = port


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that there is on this machine."""
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/flowspan/bin/flowspan", sys.executable))
    return tmp_path


def test_systemd_finds_no_fault_with_the_units(units: Path) -> None:
    printed = output_of(
        "systemd-analyze", "verify", *(str(units / one) for one in ("flowspan.service", "flowspan.socket"))
    )
    assert [line for line in printed.splitlines() if "flowspan" in line] == []


def test_the_service_can_do_little_beyond_what_it_has_to(units: Path) -> None:
    printed = output_of("systemd-analyze", "security", "--offline=true", "--no-pager", str(units / "flowspan.service"))
    exposure = re.search(r"Overall exposure level for flowspan.service: ([\d.]+)", printed)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED


def test_the_service_may_write_wherever_the_pages_put_a_socket_or_a_file() -> None:
    unit = dict(re.findall(r"^(\w+Directory)=(\S+)$", (UNITS / "flowspan.service").read_text(), re.MULTILINE))
    roots = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "LogsDirectory": "/var/log"}
    writable = [Path(root) / unit[name] for name, root in roots.items()]
    pages = "".join((ROOT / "docs" / name).read_text() for name in ("admin.md", "production.md", "deploy/systemd.md"))
    files = re.findall(r"^ *(?:socket|uds|audit_log|store): (?:sqlite:///)?(/\S+)", pages, re.MULTILINE)
    assert len(files) >= 4
    assert [file for file in files if Path(file).parent not in writable] == []


def activated(directory: Path, text: str, *sockets: tuple[str, str]) -> Started:
    """A process that is started by the first connection to one of its sockets; each has a name and an address."""
    before = [need("systemd-socket-activate")]
    for _, address in sockets:
        before += ["-l", address]
    before += [f"--fdname={':'.join(name for name, _ in sockets)}", "-E", "PATH"]
    return Started(directory, text, before=before)


def test_a_request_that_came_before_the_gateway_is_answered(tmp_path: Path) -> None:
    port, metrics = free_port(), free_port()
    text = configuration(simulated("echo"), "  console: off\n  server: {port: 1, lame_duck: 0}")
    sockets = ("gateway", f"127.0.0.1:{port}"), ("metrics", f"127.0.0.1:{metrics}")
    with activated(tmp_path, text, *sockets) as started:
        started.until_logged("Listening on")
        body = json.dumps(ask("echo", text="early")).encode()
        fields = b"host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
        head = b"POST %b HTTP/1.1\r\n%b" % (CHAT.encode(), fields)
        with socket.create_connection(("127.0.0.1", port), 60) as early:
            early.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            answer = b""
            while piece := early.recv(1 << 16):
                answer += piece
        assert b"early" in answer
        assert post(At(port), CHAT, ask("echo")).status == 200
        assert request(At(metrics), "GET", "/metrics").status == 200
        started.until_logged(f"listening on http://127.0.0.1:{port}")
        started.process.terminate()
        assert started.process.wait(30) == 0


def test_a_unix_socket_of_systemds_stays_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with activated(tmp_path, configuration(simulated("echo"), "  console: off"), ("gateway", str(path))) as started:
        started.until_logged("Listening on")
        printed = output_of(
            "curl", "-sS", "--max-time", "60", "--unix-socket", str(path), "http://localhost/livez", "-i"
        )
        assert " 200 " in printed.splitlines()[0]
        started.process.terminate()
        assert started.process.wait(30) == 0
        assert path.exists()


def test_an_address_that_others_can_reach_needs_a_key_there_too(tmp_path: Path) -> None:
    port = free_port()
    with activated(tmp_path, configuration(simulated("echo")), ("gateway", f"0.0.0.0:{port}")) as started:
        started.until_logged("Listening on")
        socket.create_connection(("127.0.0.1", port), 10).close()
        assert started.process.wait(60) == 2
        assert "0.0.0.0 can be reached by others and no key is set" in started.log


def test_a_descriptor_that_is_no_listening_socket_is_refused(tmp_path: Path) -> None:
    port = free_port()
    before = [need("systemd-socket-activate"), "-d", "-l", f"127.0.0.1:{port}", "-E", "PATH"]
    with Started(tmp_path, configuration(simulated("echo")), before=before) as started:
        started.until_logged("Listening on")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("127.0.0.1", port))
        assert started.process.wait(60) == 2
        assert "which was handed over for gateway, is no listening stream socket" in started.log

"""What a gateway is served on: a port, a Unix socket, or both; and what is said where one cannot be had."""

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.serving.listening import CannotListen, Listening, listen
from app.settings import FileMode, ServerSettings
from tests.support import run

FREE = ServerSettings(port=0)


def listening(settings: ServerSettings) -> Listening:
    return run(listen(settings))


def test_a_port_and_a_unix_socket_are_had_together(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = listening(replace(FREE, uds=str(path), uds_mode=FileMode(0o600)))
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(bound) == f"http://127.0.0.1:{bound.port} and unix:{path}"
    bound.close()
    assert not path.exists()
    bound.close()


def test_without_a_port_there_is_the_unix_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = listening(ServerSettings(port=None, uds=str(path)))
    assert [one.family for one in bound.sockets] == [socket.AF_UNIX]
    assert bound.port == 0
    bound.close()


def test_where_one_of_two_cannot_be_had_the_other_is_given_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = tmp_path / "none" / "s"
    with pytest.raises(CannotListen, match=rf"Unix socket {path}: No such file .*--uds, or uds in gateway.server"):
        listening(ServerSettings(port=port, uds=str(path)))
    socket.create_server(("127.0.0.1", port)).close()


def test_a_file_that_another_gateway_has_bound_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = listening(ServerSettings(port=None, uds=str(path)))
    bound.sockets[0].close()
    # The inode of the first one is kept from the second.
    (tmp_path / "kept").hardlink_to(path)
    other = listening(ServerSettings(port=None, uds=str(path)))
    bound.close()
    assert path.exists()
    other.close()


def test_a_port_can_be_shared_where_both_want_it() -> None:
    first = listening(replace(FREE, reuse_port=True))
    shared = replace(FREE, port=first.port, reuse_port=True)
    for one in first.sockets:
        one.listen()
    listening(shared).close()
    with pytest.raises(CannotListen, match="already in use"):
        listening(replace(shared, reuse_port=False))
    first.close()

"""Unix sockets to listen on: for their owner alone, and never taken from a process that lives."""

import os
import socket
import stat
from pathlib import Path

import pytest

from app.edge.unix_sockets import bound_unix_socket, identity_of, remove_unix_socket


def connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.connect(str(path))
    return made


def test_it_has_its_permissions_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with bound_unix_socket(str(path), 0o600) as bound:
        bound.listen()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [one.name for one in tmp_path.iterdir()] == ["s"]
        connected(path).close()


def test_what_is_left_of_a_process_that_ended_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound_unix_socket(str(path), 0o600).close()
    with bound_unix_socket(str(path), 0o600) as bound:
        bound.listen()
        connected(path).close()


def test_one_that_is_served_stays_with_who_serves_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with bound_unix_socket(str(path), 0o600) as bound:
        bound.listen()
        with pytest.raises(OSError, match="another process serves it"):
            bound_unix_socket(str(path), 0o600)
        connected(path).close()


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        bound_unix_socket(str(path), 0o600)
    assert path.read_text() == "precious"
    with pytest.raises(FileNotFoundError):
        bound_unix_socket(str(tmp_path / "none" / "s"), 0o600)


def test_at_the_end_one_s_own_is_removed_and_no_other(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    bound_unix_socket(path, 0o600).close()
    identity = identity_of(path)
    # The inode of the first one is kept from the second.
    kept = tmp_path / "kept"
    os.link(path, kept)
    bound_unix_socket(path, 0o600).close()
    remove_unix_socket(path, identity)
    assert Path(path).exists()
    remove_unix_socket(path, identity_of(path))
    assert not Path(path).exists()
    remove_unix_socket(path, identity)

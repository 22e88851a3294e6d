"""`gateway.server`: a port, a Unix socket, and who may open it."""

import pytest

from tests.unit.configuration.reading import MODEL, problems, read

SERVER = f"{MODEL}gateway:\n  server: "


def test_a_unix_socket_may_stand_in_place_of_the_port() -> None:
    server = read(f"{SERVER}{{port: null, uds: /run/flowspan/http.sock}}").settings.server
    assert (server.port, server.uds, server.uds_mode) == (None, "/run/flowspan/http.sock", 0o660)


def test_there_has_to_be_something_to_serve_on() -> None:
    [found] = problems(f"{SERVER}{{port: null}}")
    assert (
        found == "f.yaml:3: gateway.server.port: there is nothing to serve on: without a port, set gateway.server.uds"
    )


@pytest.mark.parametrize("path", ["''", "/" + "x" * 107])
def test_a_path_that_no_socket_can_have_is_a_problem(path: str) -> None:
    [found] = problems(f"{SERVER}{{uds: {path}}}")
    assert "gateway.server.uds: expected a path of 1 to 107 bytes" in found


@pytest.mark.parametrize(("written", "mode"), [("'0600'", 0o600), ("'660'", 0o660), ("'0o666'", 0o666)])
def test_permissions_are_octal_digits(written: str, mode: int) -> None:
    assert read(f"{SERVER}{{uds: s, uds_mode: {written}}}").settings.server.uds_mode == mode


@pytest.mark.parametrize("written", ["660", "0660", "'0999'", "rw", "'066'' '"])
def test_what_could_be_read_in_two_ways_is_refused(written: str) -> None:
    [found] = problems(f"{SERVER}{{uds: s, uds_mode: {written}}}")
    assert 'gateway.server.uds_mode: expected octal digits in quotes, such as "0660"' in found


def test_an_address_that_nobody_is_served_on_needs_no_keys() -> None:
    read(f"{SERVER}{{host: 0.0.0.0, port: null, uds: s}}")
    [found] = problems(f"{SERVER}{{host: 0.0.0.0, uds: s}}")
    assert "no key is set" in found

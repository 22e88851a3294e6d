"""`gateway.server.tls`: files that the port cannot be served with are refused with line and key."""

from datetime import timedelta
from pathlib import Path

from app.configuration import in_force, parse
from tests.certificates import Authority
from tests.unit.configuration.reading import MODEL, problems, read, warnings

SERVER = f"{MODEL}gateway:\n  server:\n    tls:\n"


def test_sound_files_are_taken(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("server")
    tls = read(f"{SERVER}      cert_file: {server.certificate}\n      key_file: {server.key}\n").settings.server.tls
    assert tls.files == (str(server.certificate), str(server.key))


def test_what_is_wrong_with_a_file_is_told_at_its_line(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, other = authority.issue("server"), authority.issue("other")
    [found] = problems(f"{SERVER}      cert_file: {server.certificate}\n      key_file: {other.key}\n")
    assert found == f"f.yaml:6: gateway.server.tls.key_file: the file {other.key} does not belong to the certificate"
    [found] = problems(f"{SERVER}      cert_file: /none.pem\n      key_file: {other.key}\n")
    assert (
        found == "f.yaml:5: gateway.server.tls.cert_file: the file /none.pem cannot be read: No such file or directory"
    )


def test_a_password_that_is_wanting_is_told_at_the_line_of_its_key(tmp_path: Path) -> None:
    locked = Authority(tmp_path).issue("locked", password="open sesame")
    text = f"{SERVER}      cert_file: {locked.certificate}\n      key_file: {locked.key}\n"
    [found] = problems(text)
    at = "gateway.server.tls.key_file: the password of the file"
    assert found == f"f.yaml:6: {at} {locked.key} is missing, and the key is encrypted: set key_password"
    [found] = problems(f"{text}      key_password: open barley\n")
    at = "gateway.server.tls.key_password: the password of the file"
    assert found == f"f.yaml:7: {at} {locked.key} does not open the key"


def test_versions_are_written_as_those_towards_providers() -> None:
    [found] = problems(f"{SERVER}      min_version: 1.3\n")
    assert "gateway.server.tls.min_version" in found
    assert "TLSv1.3" in found


def test_half_of_a_pair_is_refused() -> None:
    assert "gateway.server.tls.cert_file: needs its private key" in problems(f"{SERVER}      cert_file: a\n")[0]
    assert "gateway.server.tls.key_file: is of no use without" in problems(f"{SERVER}      key_file: a\n")[0]
    assert "tls.client_ca_file: is of no use" in problems(f"{SERVER}      client_ca_file: a\n")[0]


def test_one_that_has_expired_is_a_warning(tmp_path: Path) -> None:
    old = Authority(tmp_path).issue("old", begins=timedelta(days=-5), ends=timedelta(days=-1))
    [found] = warnings(f"{SERVER}      cert_file: {old.certificate}\n      key_file: {old.key}\n")
    assert found.startswith("f.yaml:5: gateway.server.tls.cert_file: the certificate of CN=old expired at ")


def test_files_of_another_machine_are_not_read() -> None:
    text = f"{SERVER}      cert_file: /none\n      key_file: /none\n"
    assert parse(text, environ={}, needs_environment=False).settings.server.tls.is_on


def test_whether_the_port_has_tls_is_decided_at_the_start(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, other = authority.issue("server"), authority.issue("other")
    plain = read(MODEL).settings
    encrypted = read(f"{SERVER}      cert_file: {server.certificate}\n      key_file: {server.key}\n").settings
    renewed = read(f"{SERVER}      cert_file: {other.certificate}\n      key_file: {other.key}\n").settings
    assert in_force(plain, encrypted) == plain
    assert in_force(encrypted, plain) == encrypted
    assert in_force(encrypted, renewed) == renewed

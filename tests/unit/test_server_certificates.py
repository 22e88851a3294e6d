"""Certificates of the port: what is wrong with their files, told of the one that it is wrong with."""

import ssl
from pathlib import Path
from time import time

import pytest

from app.server_certificates import BadCertificate, digest_of_files, distinguished_name, read_certificate
from app.settings import TlsSettings
from tests.authority import Authority, Signed

DAY = 86400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Signed:
    return authority.signed("server", "/O=Example, Inc./CN=localhost")


def settings(cert: Path, key: Path, password: str | None = None, ca: Path | None = None) -> TlsSettings:
    return TlsSettings(str(cert), str(key), password, None if ca is None else str(ca))


def refusal(tls: TlsSettings) -> tuple[str, str]:
    with pytest.raises(BadCertificate) as refused:
        read_certificate(tls)
    return refused.value.field, str(refused.value)


def test_a_good_one_says_whose_it_is_and_how_long_it_lasts(server: Signed, authority: Authority) -> None:
    found = read_certificate(settings(server.cert, server.key, ca=authority.cert))
    assert found.subject == r"CN=localhost,O=Example\, Inc."
    assert 19 * DAY < found.not_after - time() <= 20 * DAY
    assert found.warning() is None
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_clients_are_asked_for_a_certificate_as_the_settings_say(server: Signed, authority: Authority) -> None:
    tls = TlsSettings(str(server.cert), str(server.key), None, str(authority.cert), "optional", "1.3")
    found = read_certificate(tls).context
    assert (found.verify_mode, found.minimum_version) == (ssl.CERT_OPTIONAL, ssl.TLSVersion.TLSv1_3)
    assert read_certificate(settings(server.cert, server.key)).context.verify_mode is ssl.CERT_NONE


def test_one_that_has_expired_is_read_and_warned_of(authority: Authority) -> None:
    old = authority.signed("old", days=-1)
    found = read_certificate(settings(old.cert, old.key))
    assert found.not_after < time()
    assert found.warning() == "the certificate of CN=localhost has expired: clients refuse it"


def test_an_encrypted_key_needs_its_password(authority: Authority) -> None:
    one = authority.signed("encrypted", password="open sesame")
    assert read_certificate(settings(one.cert, one.key, "open sesame")).subject == "CN=localhost"
    assert refusal(settings(one.cert, one.key)) == (
        "key_file",
        f"{one.key} is encrypted: set gateway.server.tls.key_password",
    )
    field, text = refusal(settings(one.cert, one.key, "another one"))
    assert (field, "cannot be decrypted" in text, "another one" in text) == ("key_file", True, False)


def test_a_key_of_another_certificate_is_refused(server: Signed, authority: Authority) -> None:
    other = authority.signed("other")
    field, text = refusal(settings(server.cert, other.key))
    assert (field, text) == ("key_file", f"{other.key} has the key of another certificate than {server.cert}")


def test_files_that_hold_something_else_are_named(server: Signed, folder: Path) -> None:
    missing = folder / "missing"
    assert refusal(settings(missing, server.key))[0] == "cert_file"
    assert "No such file" in refusal(settings(server.cert, missing))[1]
    assert "holds no certificate as PEM" in refusal(settings(server.key, server.key))[1]
    assert "holds no private key as PEM" in refusal(settings(server.cert, server.cert))[1]
    assert refusal(settings(server.cert, server.key, ca=server.key))[0] == "client_ca_file"
    cut = folder / "cut"
    cut.write_bytes(server.cert.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n")
    assert "is damaged" in refusal(settings(cut, server.key))[1]


def test_other_content_has_another_digest(server: Signed, folder: Path) -> None:
    copy = folder / "copy"
    copy.write_bytes(server.cert.read_bytes())
    before = digest_of_files(settings(copy, server.key))
    assert digest_of_files(settings(copy, server.key)) == before
    copy.write_bytes(b"")
    empty = digest_of_files(settings(copy, server.key))
    assert empty != before
    copy.unlink()
    assert digest_of_files(settings(copy, server.key)) == empty


def test_names_are_written_so_that_nobody_can_pass_for_another() -> None:
    name = ((("countryName", "DE"),), (("commonName", 'a,CN="admin"'), ("userId", "7")), (("emailAddress", "x"),))
    assert distinguished_name(name) == r"emailAddress=x,CN=a\,CN=\"admin\"+UID=7,C=DE"
    assert distinguished_name(((("commonName", "#a "),),)) == r"CN=\#a\ "
    assert distinguished_name(((("commonName", " "),),)) == r"CN=\ "
    assert distinguished_name(()) == ""

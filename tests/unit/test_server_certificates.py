"""Certificates of the port: what is wrong with their files, told of the one that it is wrong with."""

import ssl
from datetime import timedelta
from pathlib import Path
from time import time

import pytest

from app.certificates import BadCertificate, Part
from app.server_certificates import digest_of_files, read_certificate
from app.settings import TlsSettings
from tests.certificates import Authority, Issued

DAY = 86400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Issued:
    return authority.issue("server", subject="/O=Example, Inc./CN=localhost")


def settings(cert: Path, key: Path, password: str | None = None, ca: Path | None = None) -> TlsSettings:
    return TlsSettings(str(cert), str(key), password, None if ca is None else str(ca))


def refusal(tls: TlsSettings) -> tuple[Part, str]:
    with pytest.raises(BadCertificate) as refused:
        read_certificate(tls)
    return refused.value.part, str(refused.value)


def test_a_good_one_says_whose_it_is_and_how_long_it_lasts(server: Issued, authority: Authority) -> None:
    found = read_certificate(settings(server.certificate, server.key, ca=authority.certificate))
    assert found.subject == r"CN=localhost,O=Example\, Inc."
    assert 89 * DAY < found.validity.not_after - time() <= 90 * DAY
    assert found.warning() is None
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_clients_are_asked_for_a_certificate_as_the_settings_say(server: Issued, authority: Authority) -> None:
    tls = TlsSettings(str(server.certificate), str(server.key), None, str(authority.certificate), "optional", "TLSv1.3")
    found = read_certificate(tls).context
    assert (found.verify_mode, found.minimum_version) == (ssl.CERT_OPTIONAL, ssl.TLSVersion.TLSv1_3)
    assert read_certificate(settings(server.certificate, server.key)).context.verify_mode is ssl.CERT_NONE


def test_one_that_has_expired_is_read_and_warned_of(authority: Authority) -> None:
    old = authority.issue("old", begins=timedelta(days=-5), ends=timedelta(days=-1))
    found = read_certificate(settings(old.certificate, old.key))
    assert found.validity.not_after < time()
    assert str(found.warning()).startswith("the certificate of CN=old expired at ")


def test_one_that_no_server_may_use_is_refused(authority: Authority) -> None:
    for_clients = authority.issue("client", uses="clientAuth")
    part, text = refusal(settings(for_clients.certificate, for_clients.key))
    assert (part, text.partition(": ")[0]) == (
        "certificate",
        f"the file {for_clients.certificate} has no certificate of a server",
    )
    for_both = authority.issue("both", uses="clientAuth,serverAuth")
    assert read_certificate(settings(for_both.certificate, for_both.key)).subject == "CN=both"


def test_those_that_lead_to_the_issuer_may_follow(server: Issued, authority: Authority, folder: Path) -> None:
    chain = folder / "chain.pem"
    chain.write_bytes(b"# \xfcber\n" + server.certificate.read_bytes() + authority.certificate.read_bytes())
    assert read_certificate(settings(chain, server.key)).subject == r"CN=localhost,O=Example\, Inc."


def test_an_encrypted_key_needs_its_password(authority: Authority) -> None:
    one = authority.issue("encrypted", password="open sesame")
    assert read_certificate(settings(one.certificate, one.key, "open sesame")).subject == "CN=encrypted"
    assert refusal(settings(one.certificate, one.key)) == (
        "password",
        f"the password of the file {one.key} is missing, and the key is encrypted",
    )
    field, text = refusal(settings(one.certificate, one.key, "another one"))
    assert (field, "does not open the key" in text, "another one" in text) == ("password", True, False)


def test_a_key_of_another_certificate_is_refused(server: Issued, authority: Authority) -> None:
    other = authority.issue("other")
    field, text = refusal(settings(server.certificate, other.key))
    assert (field, text) == ("key", f"the file {other.key} does not belong to the certificate")


def test_files_that_hold_something_else_are_named(server: Issued, folder: Path) -> None:
    missing = folder / "missing"
    assert refusal(settings(missing, server.key))[0] == "certificate"
    assert "No such file" in refusal(settings(server.certificate, missing))[1]
    assert "has no certificate in PEM" in refusal(settings(server.key, server.key))[1]
    assert "has no private key in PEM" in refusal(settings(server.certificate, server.certificate))[1]
    assert refusal(settings(server.certificate, server.key, ca=server.key))[0] == "bundle"
    cut = folder / "cut"
    cut.write_bytes(server.certificate.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n")
    assert refusal(settings(cut, server.key)) == (
        "certificate",
        f"the file {cut} has a certificate that cannot be read",
    )


def test_other_content_has_another_digest(server: Issued, folder: Path) -> None:
    copy = folder / "copy"
    copy.write_bytes(server.certificate.read_bytes())
    before = digest_of_files(settings(copy, server.key))
    assert digest_of_files(settings(copy, server.key)) == before
    copy.write_bytes(b"")
    empty = digest_of_files(settings(copy, server.key))
    assert empty != before
    copy.unlink()
    assert digest_of_files(settings(copy, server.key)) == empty

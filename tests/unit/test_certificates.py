"""Certificates and keys as operators write them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.certificates import BadCertificate, Validity, distinguished_name, identify, trust, validity_of
from tests.certificates import Authority, Issued
from tests.real.programs import output_of

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("client")


def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize("days", [-400, 30, 365 * 30])
def test_a_certificate_holds_as_long_as_openssl_says(authority: Authority, days: int) -> None:
    """From 2050 on the times in it are written in another form."""
    one = authority.issue(f"days{days}", begins=timedelta(days=-500), ends=timedelta(days=days))
    dates = output_of("openssl", "x509", "-in", str(one.certificate), "-noout", "-dates", "-dateopt", "iso_8601")
    written = [line.partition("=")[2].strip() for line in dates.splitlines()]
    expected = [datetime.strptime(one, "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC).timestamp() for one in written]
    assert list(validity_of(one.certificate.read_text())) == expected


def test_of_several_the_first_one_counts(authority: Authority, issued: Issued) -> None:
    chain = issued.certificate.read_text() + authority.certificate.read_text()
    assert validity_of(f"Subject: client\n{chain}") == validity_of(issued.certificate.read_text())


@given(st.binary(max_size=300))
def test_no_rubbish_is_taken_for_a_certificate(rubbish: bytes) -> None:
    pem = ssl.DER_cert_to_PEM_cert(rubbish) if rubbish else f"{_BEGIN}\n{_END}"
    with pytest.raises(BadCertificate):
        validity_of(pem)


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.6])
def test_one_that_was_cut_off_is_refused(issued: Issued, kept: float) -> None:
    whole = ssl.PEM_cert_to_DER_cert(issued.certificate.read_text())
    pem = ssl.DER_cert_to_PEM_cert(whole[: int(len(whole) * kept)])
    for use in (validity_of, lambda text: trust(context(), text)):
        with pytest.raises(BadCertificate):
            use(pem)


def test_a_key_may_stand_beside_its_certificate_or_in_a_text_of_its_own(authority: Authority, issued: Issued) -> None:
    certificate, key = issued.certificate.read_text(), issued.key.read_text()
    identify(context(), certificate, key)
    identify(context(), key + certificate)
    encrypted = authority.issue("encrypted", password="open sesame")
    identify(context(), encrypted.certificate.read_text(), encrypted.key.read_text(), "open sesame")


def test_what_is_wrong_is_told_by_the_part_that_is_at_fault(authority: Authority, issued: Issued) -> None:
    other, encrypted = authority.issue("other"), authority.issue("locked", password="open sesame")
    certificate, key = issued.certificate.read_text(), issued.key.read_text()
    locked = encrypted.certificate.read_text(), encrypted.key.read_text()
    wrong = {
        "does not belong": ("key", certificate, other.key.read_text(), None),
        "no certificate in PEM": ("certificate", "nothing", key, None),
        "no private key in PEM": ("key", certificate, certificate, None),
        "is missing$": ("key", certificate, None, None),
        "is missing, and the key is": ("password", *locked, None),
        "does not open": ("password", *locked, "open barley"),
        "that cannot be read": ("certificate", certificate.replace("\n", "\nAAAA", 2), key, None),
        "cannot be used": ("key", certificate, key.replace("\n", "\nAAAA", 2), None),
    }
    for words, (part, *texts) in wrong.items():
        with pytest.raises(BadCertificate, match=words) as raised:
            identify(context(), *texts)  # type: ignore[arg-type]  # texts, or nothing
        assert raised.value.part == part
        assert "sesame" not in str(raised.value)


def test_a_weak_certificate_is_no_fault_of_its_password(tmp_path: Path) -> None:
    files = ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate"))
    weak = ("-newkey", "rsa:512", "-passout", "pass:open sesame", "-subj", "/CN=weak")
    output_of("openssl", "req", "-x509", *weak, *files)
    texts = (tmp_path / "certificate").read_text(), (tmp_path / "key").read_text()
    with pytest.raises(BadCertificate, match="is too weak: EE_KEY_TOO_SMALL") as raised:
        identify(context(), *texts, "open sesame")
    assert raised.value.part == "certificate"


def test_dates_are_warned_of_a_week_before_the_end() -> None:
    week = 7 * 86400.0
    holds = Validity(100.0, 100.0 + 10 * week)
    assert holds.warning(99.0) == "holds only from 1970-01-01T00:01:40Z on"
    assert holds.warning(100.0) is None
    assert holds.warning(99.0 + 9 * week) is None
    assert str(holds.warning(100.0 + 9 * week)).startswith("expires soon, at 1970-03-12T")
    assert str(holds.warning(holds.not_after)).startswith("expired at 1970-03-12T")


def test_a_bundle_has_to_have_certificates(authority: Authority, issued: Issued) -> None:
    made = context()
    trust(made, f"# ours\n{authority.certificate.read_text()}{issued.certificate.read_text()}")
    assert made.cert_store_stats()["x509"] == 2
    for rubbish in ("", "no certificate", f"{_BEGIN}\nAAAA\n{_END}", issued.key.read_text()):
        with pytest.raises(BadCertificate) as raised:
            trust(context(), rubbish)
        assert raised.value.part == "bundle"


def test_nothing_of_a_key_is_left_on_the_disk(issued: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    identify(context(), issued.certificate.read_text(), issued.key.read_text())
    assert list(tmp_path.iterdir()) == []


def test_names_are_written_so_that_nobody_can_pass_for_another() -> None:
    name = ((("countryName", "DE"),), (("commonName", 'a,CN="admin"'), ("userId", "7")), (("emailAddress", "x"),))
    assert distinguished_name(name) == r"emailAddress=x,CN=a\,CN=\"admin\"+UID=7,C=DE"
    assert distinguished_name(((("commonName", "#a "),),)) == r"CN=\#a\ "
    assert distinguished_name(((("commonName", " "),),)) == r"CN=\ "
    assert distinguished_name(()) == ""

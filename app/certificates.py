"""Certificates and keys in PEM, as operators write them: what is wrong with them, how long they hold, whom they name,
and a TLS context that has them. For clients and servers alike. Pure but for the file in memory that Python's `ssl`
needs.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from tempfile import NamedTemporaryFile
from typing import Literal, NamedTuple

from app.settings import TlsVersion

Part = Literal["bundle", "certificate", "key", "password"]

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_KEY = re.compile(r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")
_ENCRYPTED = re.compile(r"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)
_VERSIONS: Mapping[TlsVersion, ssl.TLSVersion] = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_PROTOCOLS = ["http/1.1"]
_SOON = timedelta(days=7).total_seconds()
"""How long before its end a certificate is warned of."""
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""The names of RFC 4514, by OpenSSL's."""
_SEQUENCE = 0x30
_VERSION = 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""The tags of the two kinds of time in a certificate, with how they are written (RFC 5280, 4.1.2.5)."""


class BadCertificate(ValueError):
    """A certificate, its key or its password cannot be used. The text says why, for the operator; it shows nothing of
    them. `part` is which of them is at fault."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def is_pem(text: str) -> bool:
    """Whether a text is one in PEM itself, and not the path of a file."""
    return "-----BEGIN " in text


class Validity(NamedTuple):
    """From when to when a certificate holds, in Unix time."""

    not_before: float
    not_after: float

    def warning(self, now: float) -> str | None:
        """What is wrong with these dates, as the end of a sentence about the certificate: that it has expired, expires
        within a week, or does not hold yet. None where nothing is."""
        if self.not_after <= now:
            return f"expired at {_written(self.not_after)}"
        if self.not_before > now:
            return f"holds only from {_written(self.not_before)} on"
        if self.not_after <= now + _SOON:
            return f"expires soon, at {_written(self.not_after)}"
        return None


def first_certificate(pem: str) -> str:
    """The first certificate of a text in PEM, which is the one that is shown to the other side. Raises
    BadCertificate."""
    found = _CERTIFICATE.search(pem)
    if found is None:
        raise BadCertificate("certificate", "has no certificate in PEM")
    return found[0]


def validity_of(pem: str) -> Validity:
    """The validity of the first certificate of a text in PEM. Raises BadCertificate."""
    # Python's ssl tells the dates of the other side's certificate alone, and of one that has expired not even these.
    first = first_certificate(pem)
    try:
        return _validity(ssl.PEM_cert_to_DER_cert(first))
    except (IndexError, KeyError, ValueError):
        raise BadCertificate("certificate", "has a certificate that cannot be read") from None


def agree_on(context: ssl.SSLContext, oldest: TlsVersion) -> None:
    """Have a context agree on HTTP/1.1 over this version of TLS or a newer one, and on nothing else."""
    context.minimum_version = _VERSIONS[oldest]
    context.set_alpn_protocols(_PROTOCOLS)


def trust(context: ssl.SSLContext, bundle: str) -> None:
    """Have a context trust the certificates of a text in PEM. Raises BadCertificate."""
    found = _CERTIFICATE.findall(bundle)
    if not found:
        raise BadCertificate("bundle", "has no certificate in PEM")
    try:
        context.load_verify_locations(cadata="\n".join(found))
    except ssl.SSLError:
        raise BadCertificate("bundle", "has a certificate that cannot be read") from None


def identify(context: ssl.SSLContext, certificate: str, key: str | None = None, password: str | None = None) -> None:
    """Have a context show the other side a certificate, in PEM with those that lead to its issuer behind it. The key
    may stand in the same text. Raises BadCertificate."""
    try:
        trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
    except BadCertificate as error:
        # OpenSSL does not say which of certificate and key it cannot read.
        raise BadCertificate("certificate", str(error)) from None
    key_text = certificate if key is None else key
    if _KEY.search(key_text) is None:
        raise BadCertificate("key", "has no private key in PEM" if key is not None else "is missing")
    is_encrypted = _ENCRYPTED.search(key_text) is not None
    if is_encrypted and not password:
        raise BadCertificate("password", "is missing, and the key is encrypted")
    try:
        with _as_file(certificate if key is None else f"{certificate}\n{key}") as file:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(file, password=password or "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadCertificate("key", "does not belong to the certificate") from None
        if error.reason is not None and error.reason.startswith(("EE_", "CA_")):
            raise BadCertificate("certificate", f"is too weak: {error.reason}") from None
        if is_encrypted:
            raise BadCertificate("password", "does not open the key") from None
        raise BadCertificate("key", f"cannot be used: {error.reason or 'it cannot be read'}") from None


def distinguished_name(name: Sequence[Sequence[tuple[str, str]]]) -> str:
    """A name of a certificate, as `SSLSocket.getpeercert` has it, in the form of RFC 4514: `CN=agent,O=Example`."""
    return ",".join(
        "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in part) for part in reversed(name)
    )


def _escaped(value: str) -> str:
    last = len(value) - 1
    return "".join(_sign(sign, is_first=at == 0, is_last=at == last) for at, sign in enumerate(value))


def _sign(sign: str, *, is_first: bool, is_last: bool) -> str:
    if sign == "\0":
        return "\\00"
    is_special = sign in ',+"\\<>;' or (is_first and sign in "# ") or (is_last and sign == " ")
    return f"\\{sign}" if is_special else sign


def _written(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """The path of a file with this text that nobody else can read: in memory, where the system has such files."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate"), "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(text)
            file.flush()
            yield file.name


def _validity(certificate: bytes) -> Validity:
    at, _ = _content(certificate, 0, _SEQUENCE)
    at, _ = _content(certificate, at, _SEQUENCE)
    if certificate[at] == _VERSION:
        at = _end(certificate, at)
    # Serial number, algorithm, issuer.
    for _ in range(3):
        at = _end(certificate, at)
    begin, _ = _content(certificate, at, _SEQUENCE)
    return Validity(_time(certificate, begin), _time(certificate, _end(certificate, begin)))


def _time(data: bytes, at: int) -> float:
    form = _TIMES[data[at]]
    begin, end = _content(data, at, data[at])
    return datetime.strptime(data[begin:end].decode("ascii"), form).replace(tzinfo=UTC).timestamp()


def _end(data: bytes, at: int) -> int:
    return _content(data, at, data[at])[1]


def _content(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of the DER element at `at` begins and ends. Raises ValueError where it is another one."""
    if data[at] != tag:
        raise ValueError(tag)
    length, at = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    if at + length > len(data):
        raise ValueError(length)
    return at, at + length

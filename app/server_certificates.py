"""Certificates that are served: read from files, checked, and how long they last.

OpenSSL says that something is wrong, and seldom what. Here each fault is told of the field whose file has it.
"""

import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any, NoReturn

from app.settings import TlsSettings

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name."""
_PROTOCOLS = ["http/1.1"]
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


class BadCertificate(Exception):
    """Files that cannot be served with. `field` is the setting whose file is at fault; the text holds none of it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate with its key, and whom it is served to. `not_before` and `not_after` are in Unix time."""

    context: ssl.SSLContext
    subject: str
    not_before: float
    not_after: float

    def warning(self) -> str | None:
        """What is wrong with it now, and will be for all clients; None where nothing is."""
        if self.not_after < time():
            return f"the certificate of {self.subject} has expired: clients refuse it"
        if self.not_before > time():
            return f"the certificate of {self.subject} is not valid yet: clients refuse it"
        return None


def read_certificate(tls: TlsSettings) -> ServerCertificate:
    """Read the files that the settings name. Raises BadCertificate. It takes a few milliseconds."""
    cert_file, key_file = tls.cert_file, tls.key_file
    if cert_file is None or key_file is None:
        raise BadCertificate("cert_file", "a certificate and its key are needed")
    _expect("cert_file", cert_file, b"-----BEGIN CERTIFICATE-----", "certificate")
    _expect("key_file", key_file, b"PRIVATE KEY-----", "private key")
    context = _context(cert_file, key_file, tls.key_password)
    described = _described(cert_file, key_file, tls.key_password)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.set_alpn_protocols(_PROTOCOLS)
    if tls.client_ca_file is not None:
        _expect("client_ca_file", tls.client_ca_file, b"-----BEGIN CERTIFICATE-----", "certificate")
        try:
            context.load_verify_locations(tls.client_ca_file)
        except ssl.SSLError:
            raise BadCertificate("client_ca_file", f"{tls.client_ca_file} holds no sound certificates") from None
        is_needed = tls.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if is_needed else ssl.CERT_OPTIONAL
    return ServerCertificate(
        context,
        distinguished_name(described.get("subject", ())) or cert_file,
        ssl.cert_time_to_seconds(described["notBefore"]),
        ssl.cert_time_to_seconds(described["notAfter"]),
    )


def digest_of_files(tls: TlsSettings) -> bytes:
    """What tells the content of the files from another one; files that cannot be read count as empty."""
    digest = hashlib.sha256()
    for file in tls.files:
        try:
            content = Path(file).read_bytes()
        except OSError:
            content = b""
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.digest()


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


def _expect(field: str, file: str, mark: bytes, what: str) -> None:
    try:
        content = Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise BadCertificate(field, f"the file {file} cannot be read: {reason}") from None
    if mark not in content:
        raise BadCertificate(field, f"the file {file} holds no {what} as PEM")


def _context(cert_file: str, key_file: str, password: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def key_password() -> str:
        # Without an answer OpenSSL would ask on the terminal.
        if password is None:
            _refuse_key(key_file, "is encrypted: set gateway.server.tls.key_password")
        return password

    try:
        context.load_cert_chain(cert_file, key_file, key_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            _refuse_key(key_file, f"has the key of another certificate than {cert_file}")
        if b"ENCRYPTED" in Path(key_file).read_bytes():
            _refuse_key(key_file, "cannot be decrypted with gateway.server.tls.key_password")
        if error.reason and "EE_" in error.reason:
            raise BadCertificate("cert_file", f"{cert_file}: its key or signature is too weak") from None
        reason = (error.reason or "not PEM").replace("_", " ").lower()
        raise BadCertificate("cert_file", f"{cert_file} or {key_file} is damaged: {reason}") from None
    return context


def _refuse_key(file: str, message: str) -> NoReturn:
    raise BadCertificate("key_file", f"{file} {message}") from None


def _described(cert_file: str, key_file: str, password: str | None) -> dict[str, Any]:
    """The certificate as a client sees it who trusts it, by a handshake in memory: Python reads none in another way."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    first = ssl.PEM_cert_to_DER_cert(_first_certificate(Path(cert_file).read_text("latin-1")))
    client.load_verify_locations(cadata=first)
    client.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(to_client, to_server)
    answers = _context(cert_file, key_file, password).wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(4):
            for one in (asks, answers):
                try:
                    one.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        return dict(asks.getpeercert() or {})
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "verify_message", "") or "no handshake comes about"
        raise BadCertificate("cert_file", f"{cert_file} is no certificate of a server: {reason}") from None


def _first_certificate(text: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    at = text.index(begin)
    return text[at : text.index(end, at) + len(end)] + "\n"

"""The certificate of the gateway's port: its files, whom it names, how long it holds, and whether a server can use it.

OpenSSL says that something is wrong, and seldom what. Here each fault is told with the file that has it.
"""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from time import time

from app.certificates import (
    BadCertificate,
    Part,
    Validity,
    agree_on,
    distinguished_name,
    first_certificate,
    identify,
    trust,
    validity_of,
)
from app.settings import TlsSettings

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name."""


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate with its key in a context that clients can be served by, and whom it names."""

    context: ssl.SSLContext
    subject: str
    validity: Validity

    def warning(self) -> str | None:
        """What is wrong with its dates now; None where nothing is. Clients refuse one that does not hold."""
        found = self.validity.warning(time())
        return None if found is None else f"the certificate of {self.subject} {found}"


def read_certificate(tls: TlsSettings) -> ServerCertificate:
    """Read the files that the settings name. Raises BadCertificate, whose text names the file that is at fault. It
    takes a few milliseconds."""
    if tls.cert_file is None or tls.key_file is None:
        raise BadCertificate("certificate", "a certificate and its key are needed")
    try:
        certificate = _text("certificate", tls.cert_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        identify(context, certificate, _text("key", tls.key_file), tls.key_password)
        agree_on(context, tls.min_version)
        validity = validity_of(certificate)
        subject = _subject(context, certificate)
        if tls.client_ca_file is not None:
            trust(context, _text("bundle", tls.client_ca_file))
            is_needed = tls.client_certificates == "required"
            context.verify_mode = ssl.CERT_REQUIRED if is_needed else ssl.CERT_OPTIONAL
    except BadCertificate as error:
        raise BadCertificate(error.part, f"{_named(error.part, tls)} {error}") from None
    return ServerCertificate(context, subject or tls.cert_file, validity)


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


def _named(part: Part, tls: TlsSettings) -> str:
    match part:
        case "certificate":
            return f"the file {tls.cert_file}"
        case "key":
            return f"the file {tls.key_file}"
        case "password":
            return f"the password of the file {tls.key_file}"
        case "bundle":
            return f"the file {tls.client_ca_file}"


def _text(part: Part, file: str) -> str:
    try:
        # What is not UTF-8 may be a comment; PEM itself is ASCII.
        return Path(file).read_text("utf-8-sig", "replace")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise BadCertificate(part, f"cannot be read: {reason}") from None


def _subject(context: ssl.SSLContext, certificate: str) -> str:
    """Whom the certificate names, as a client sees it who trusts it, by a handshake in memory: Python reads it in no
    other way, and a certificate that no server may use is found so. It may be empty. Raises BadCertificate."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    trust(client, first_certificate(certificate))
    client.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    connecting = client.wrap_bio(to_client, to_server)
    accepting = context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(4):
            for one in (connecting, accepting):
                try:
                    one.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        return distinguished_name((connecting.getpeercert() or {}).get("subject", ()))  # type: ignore[arg-type]
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "verify_message", "") or "no handshake comes about"
        raise BadCertificate("certificate", f"has no certificate of a server: {reason}") from None

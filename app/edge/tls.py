"""What a connection knows of its client by TLS, as ASGI's extension `tls` has it."""

import ssl
from typing import Any

from app.certificates import distinguished_name


def tls_extension(connected: ssl.SSLObject) -> dict[str, Any]:
    """The fields of the extension that are of use here; `client_cert_name` is None where the client has shown no
    certificate. A certificate that was shown has been verified."""
    certificate = connected.getpeercert() or {}
    subject: Any = certificate.get("subject", ())
    return {"client_cert_name": distinguished_name(subject) or None, "tls_version": connected.version()}

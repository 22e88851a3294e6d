"""The TLS context for a provider."""

import ssl
from functools import lru_cache
from pathlib import Path

from app.certificates import BadCertificate, agree_on, identify, is_pem, trust
from app.settings import UpstreamTls

_KEPT = 256


@lru_cache(_KEPT)
def context_of(tls: UpstreamTls) -> ssl.SSLContext:
    """The context that a client agrees on TLS with. The same object for equal settings. Raises `BadCertificate`."""
    # An SSLContext that is made by hand checks names and certificates, and trusts nobody yet.
    context = ssl.create_default_context() if tls.bundle is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    agree_on(context, tls.minimum_version or "TLSv1.2")
    if tls.bundle is not None:
        trust(context, _text_of(tls.bundle))
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        identify(context, tls.certificate, tls.key, tls.key_password)
    return context


def _text_of(bundle: str) -> str:
    if is_pem(bundle):
        return bundle
    try:
        return Path(bundle).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCertificate("bundle", f"cannot be read any more: {type(error).__name__}") from None

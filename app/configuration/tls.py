"""`gateway.server.tls`: whether the port can be served with these files."""

from collections.abc import Mapping

from app.certificates import BadCertificate, Part
from app.configuration.problems import Report
from app.server_certificates import read_certificate
from app.settings import TlsSettings

_PATH = ("gateway", "server", "tls")
_FIELD_OF: Mapping[Part, str] = {
    "bundle": "client_ca_file",
    "certificate": "cert_file",
    "key": "key_file",
    "password": "key_password",
}


def check_tls(tls: TlsSettings, report: Report, *, is_here: bool) -> None:
    """Report what lacks, and what is wrong with the files. Where those are elsewhere (not `is_here`), none is read."""
    if tls.cert_file is None:
        for field in ("key_file", "key_password", "client_ca_file"):
            if getattr(tls, field) is not None:
                report.problem((*_PATH, field), "is of no use without cert_file: the port would speak plain HTTP")
        return
    if tls.key_file is None:
        report.problem((*_PATH, "cert_file"), "needs its private key, as key_file")
        return
    if not is_here:
        return
    try:
        certificate = read_certificate(tls)
    except BadCertificate as error:
        field = _FIELD_OF[error.part]
        if getattr(tls, field) is not None:
            report.problem((*_PATH, field), str(error))
        else:
            # A password that is wanting has no line, and its key has.
            report.problem((*_PATH, "key_file"), f"{error}: set {field}")
        return
    if (warning := certificate.warning()) is not None:
        report.warning((*_PATH, "cert_file"), warning)

"""`gateway.server.tls`: whether the port can be served with these files."""

from app.configuration.problems import Report
from app.server_certificates import BadCertificate, read_certificate
from app.settings import TlsSettings

_PATH = ("gateway", "server", "tls")


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
        report.problem((*_PATH, error.field), str(error))
        return
    if (warning := certificate.warning()) is not None:
        report.warning((*_PATH, "cert_file"), warning)

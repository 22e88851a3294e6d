"""Certificates made by openssl: an authority of one's own, and what it issues.

authority = Authority(tmp_path)
issued = authority.issue("client", "DNS:client.test")
... issued.certificate, issued.key, authority.certificate ...
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.real.programs import output_of

_CONFIGURATION = """
[ca]
default_ca = authority
[authority]
database = {folder}/database
rand_serial = yes
new_certs_dir = {folder}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
organizationName = optional
commonName = supplied
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
_FORM = "%Y%m%d%H%M%SZ"


@dataclass(frozen=True)
class Issued:
    """Two files in PEM."""

    certificate: Path
    key: Path

    def replace(self, other: "Issued") -> None:
        """Have the files hold another certificate and its key."""
        self.key.write_bytes(other.key.read_bytes())
        self.certificate.write_bytes(other.certificate.read_bytes())


class Authority:
    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._configuration = self._folder / "openssl.cnf"
        self._configuration.write_text(_CONFIGURATION.format(folder=self._folder))
        (self._folder / "database").touch()
        self.certificate = self._folder / "ca.pem"
        self._key = self._folder / "ca.key"
        files = ("-keyout", str(self._key), "-out", str(self.certificate))
        output_of("openssl", "req", "-x509", *_KEY, "-nodes", "-days", "2", "-subj", f"/CN={name}", *files)

    def server_context(self, issued: "Issued", *, asks: bool = False) -> ssl.SSLContext:
        """A server's, with a certificate; one that asks serves those only who show one of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.certificate)
        return context

    def issue(
        self,
        name: str,
        names: str = "DNS:localhost,IP:127.0.0.1",
        *,
        subject: str | None = None,
        begins: timedelta = timedelta(minutes=-5),
        ends: timedelta = timedelta(days=90),
        password: str | None = None,
        uses: str | None = None,
    ) -> Issued:
        """A certificate for `names`, as openssl writes alternative names, and for `subject`, which is
        `/CN=name` unless it is given; `begins` and `ends` are from now."""
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = self._folder / f"{name}.csr"
        secrecy = ("-nodes",) if password is None else ("-passout", f"pass:{password}")
        extensions = ["-addext", f"subjectAltName={names}"]
        if uses is not None:
            extensions += ["-addext", f"extendedKeyUsage={uses}"]
        files = ("-keyout", str(issued.key), "-out", str(request))
        output_of("openssl", "req", *_KEY, *secrecy, "-subj", subject or f"/CN={name}", *extensions, *files)
        now = datetime.now(UTC)
        times = ("-startdate", (now + begins).strftime(_FORM), "-enddate", (now + ends).strftime(_FORM))
        signer = ("-config", str(self._configuration), "-cert", str(self.certificate), "-keyfile", str(self._key))
        files = ("-in", str(request), "-out", str(issued.certificate))
        output_of("openssl", "ca", "-batch", "-notext", *signer, *times, *files)
        return issued

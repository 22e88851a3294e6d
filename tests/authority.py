"""Certificates for tests, as openssl makes them: of servers and clients, signed by an authority of the test's own."""

from dataclasses import dataclass
from pathlib import Path

from tests.real.programs import output_of

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    def replace(self, other: "Signed") -> None:
        """Have the files hold another certificate and its key."""
        self.key.write_bytes(other.key.read_bytes())
        self.cert.write_bytes(other.cert.read_bytes())


class Authority:
    """Signs certificates, whose files are in `folder`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.cert, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        words = ("-x509", "-nodes", *_EC, "-days", "30", "-subj", f"/CN={name}")
        output_of("openssl", "req", *words, "-keyout", str(self._key), "-out", str(self.cert))

    def signed(self, name: str, subject: str = "/CN=localhost", days: int = 20, password: str | None = None) -> Signed:
        """A certificate for `localhost`, 127.0.0.1 and this subject, valid for so many days; expired by less than 0."""
        cert, key, wish = (self._folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        secret = ("-nodes",) if password is None else ("-passout", f"pass:{password}")
        output_of("openssl", "req", *secret, *_EC, "-subj", subject, "-keyout", str(key), "-out", str(wish))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        issuer = ("-CA", str(self.cert), "-CAkey", str(self._key), "-CAcreateserial")
        words = ("-req", "-in", str(wish), *issuer, "-days", str(days), "-extfile", str(extensions))
        output_of("openssl", "x509", *words, "-out", str(cert))
        return Signed(cert, key)

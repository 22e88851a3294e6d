"""TLS at the gateway's port, and the versions of TLS that there are to choose from, towards clients and providers."""

from typing import Literal

from msgspec import Struct

TlsVersion = Literal["TLSv1.2", "TLSv1.3"]


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """TLS at the gateway's port; a Unix socket stays as it is. The files are PEM, and are read anew with the
    configuration: connections that are made from then on get the new certificate."""

    cert_file: str | None = None
    """The certificate, followed by those that lead to its issuer; without it the port speaks plain HTTP."""
    key_file: str | None = None
    """The private key of that certificate."""
    key_password: str | None = None
    """The password of the key's file, where it is encrypted."""
    client_ca_file: str | None = None
    """The certificates of issuers, one of whom has to have signed a client's; without it clients are asked for none."""
    client_certificates: Literal["required", "optional"] = "required"
    """Whether a client without a certificate is turned away, where `client_ca_file` is set. One with a certificate that
    none of those issuers has signed is turned away in any case."""
    min_version: TlsVersion = "TLSv1.2"
    """The oldest version of TLS that is agreed to."""

    @property
    def is_on(self) -> bool:
        """Whether the port speaks TLS."""
        return self.cert_file is not None

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are set."""
        return tuple(one for one in (self.cert_file, self.key_file, self.client_ca_file) if one is not None)

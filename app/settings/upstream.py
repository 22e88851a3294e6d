"""How a deployment is reached: by which proxy, and with which TLS. Both are values: what is equal makes equal
connections, and what differs in any of it never shares one."""

from base64 import b64decode
from collections.abc import Iterator

from msgspec import Struct

from app.settings.tls import TlsVersion


class UpstreamProxy(Struct, frozen=True):
    """An HTTP proxy by which a provider is asked: over a tunnel by CONNECT where the provider's address is https, else
    by requests in absolute form."""

    address: str
    """`http://host:port`, without user and password."""
    authorization: str | None = None
    """The value of the header `Proxy-Authorization`, which is a secret."""
    source: str = ""
    """Where the operator set it: `litellm_params.proxy`, `gateway.upstream.proxy`, or a variable's name."""

    def secrets(self) -> Iterator[str]:
        """The password, alone and as it is sent."""
        if self.authorization is not None:
            credentials = self.authorization.removeprefix("Basic ")
            yield credentials
            yield b64decode(credentials).decode("utf-8", "replace").partition(":")[2]

    def __repr__(self) -> str:
        return f"UpstreamProxy({self.address!r})"


class UpstreamTls(Struct, frozen=True):
    """What is agreed on with a provider whose address is https. Certificate and key are texts in PEM, so that what was
    checked is what is used, in each process."""

    verify: bool = True
    """Whether the provider's certificate is checked."""
    bundle: str | None = None
    """The certificates that are trusted, as a text in PEM or as the path of a file; None for those of the system."""
    bundle_digest: str = ""
    """What is in that file, by its SHA-256: a change of the file is a change of the settings."""
    certificate: str | None = None
    """What the provider is shown: the gateway's certificate, with those that lead to its issuer."""
    key: str | None = None
    """The key of the certificate; None where it stands beside it."""
    key_password: str | None = None
    minimum_version: TlsVersion | None = None
    """TLS 1.2 unless it is set."""
    server_name: str | None = None
    """The name that is asked for and looked for in the provider's certificate; the host of its address unless set."""

    def secrets(self) -> Iterator[str]:
        """The key's password. Keys themselves are known by their form wherever they stand."""
        if self.key_password is not None:
            yield self.key_password

    def __repr__(self) -> str:
        named = [name for name in self.__struct_fields__ if getattr(self, name) not in (None, True)]
        return f"UpstreamTls({', '.join(named)})"

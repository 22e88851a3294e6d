"""How a gateway is operated: who waits, who may act on it, and when its configuration is read anew."""

from typing import Literal

from msgspec import Struct

from app.settings.units import Count, Port, Seconds


class AdmissionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that wait for a deployment, and how many the process takes on."""

    queue_size: Count = 1_000
    """Requests that may wait for one deployment."""
    queue_timeout: Seconds = Seconds(30)
    """How long one waits at most."""
    learn_limits: bool = True
    """Whether requests wait, too, when a provider's headers say that its rate limit is used up, until it is not."""
    max_streams: Count = 10_000
    """Requests to models that may be open in the process; further ones are refused at once."""


class AdminSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The admin API, on an address of its own. It is served where `key` or `socket` is set."""

    host: str = "127.0.0.1"
    """The address."""
    port: Port = 4002
    """The port; 0 takes a free one."""
    socket: str | None = None
    """The path of a Unix socket in place of host and port. Who may open it may act, key or no key."""
    key: str | None = None
    """The key that has to be presented, as `Authorization: Bearer ...`; no caller's key is one."""
    audit_log: str | None = None
    """The file to which each act is appended as a line of JSON, beside the process's own log."""

    @property
    def is_served(self) -> bool:
        """Whether there is an admin API: nobody could use one without a key and without a socket."""
        return self.key is not None or self.socket is not None


class ReloadSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When the configuration is read anew, beside SIGHUP and the admin API."""

    watch: bool = False
    """Whether a change of the file is a reason, or of one that it includes, or of a key, a policy or a certificate."""


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
    min_version: Literal["1.2", "1.3"] = "1.2"
    """The lowest version of TLS that is spoken."""

    @property
    def is_on(self) -> bool:
        """Whether the port speaks TLS."""
        return self.cert_file is not None

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are set."""
        return tuple(one for one in (self.cert_file, self.key_file, self.client_ca_file) if one is not None)


class WorkerProcess(Struct, frozen=True):
    """Where a process stands among those that serve together."""

    index: int
    """From 0 on; one that is replaced gives its index to the next."""
    count: int
    folder: str
    """A folder in memory, of this gateway alone, in which they share what they count."""

"""How a gateway is operated: who waits, who may act on it, and when its configuration is read anew."""

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


class WorkerProcess(Struct, frozen=True):
    """Where a process stands among those that serve together."""

    index: int
    """From 0 on; one that is replaced gives its index to the next."""
    count: int
    folder: str
    """A folder in memory, of this gateway alone, in which they share what they count."""

"""Keys that an operator has taken from their holders, until they are given back or the process ends."""


class RevokedKeys:
    """Known by their digests. It outlives the configuration that the keys stand in."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def revoke(self, digest: bytes) -> None:
        """Refuse whoever presents this key from now on. Requests that were let in go on."""
        self._digests.add(digest)

    def restore(self, digest: bytes) -> None:
        """Let its holder in again."""
        self._digests.discard(digest)

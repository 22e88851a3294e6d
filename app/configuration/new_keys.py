"""A new key for a caller, and the entry of `gateway.keys` that knows it without revealing it."""

import json
from secrets import token_urlsafe

from msgspec import Struct

from app.configuration.loading import parse
from app.settings import digest_of

_PREFIX = "sk-flowspan-"
_BYTES = 32


class NewKey(Struct, frozen=True):
    """A key that nobody has yet."""

    secret: str
    """The key itself, for its caller alone."""
    digest: str
    """What a configuration has in its place, as `key_hash`."""
    entry: str
    """The entry of `gateway.keys`, as YAML."""
    warnings: tuple[str, ...] = ()


def new_key(name: str, team: str | None = None, expires: str | None = None) -> NewKey:
    """Make a key. Raises ConfigurationRefused for a name, a team or an end that an entry cannot have."""
    secret = f"{_PREFIX}{token_urlsafe(_BYTES)}"
    digest = f"sha256:{digest_of(secret).hex()}"
    options = {"name": name, "key_hash": digest, "team": team, "expires": expires}
    entry = f"- {json.dumps({option: text for option, text in options.items() if text is not None})}"
    checked = parse(f"model_list: []\ngateway:\n  keys:\n  {entry}\n", "the entry", {})
    ends = tuple(warning.message for warning in checked.warnings if warning.key.endswith("expires"))
    lines = [f"{option}: {json.dumps(text)}" for option, text in options.items() if text is not None]
    return NewKey(secret, digest, "- " + "\n  ".join(lines), ends)

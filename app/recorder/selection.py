"""Which transactions are recorded."""

import re
from hashlib import blake2b
from typing import Protocol

from app.recorder.stores import FAILURES
from app.settings import RecorderSettings
from telemetry.names import NO_KEY, Outcome

_WHOLE = 2**32


class Selectable(Protocol):
    """What is known of a transaction before it is made into a recording."""

    @property
    def transaction_id(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def model(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def conversation(self) -> str | None: ...


class Selection:
    """The filters first, then the sample: of a conversation all transactions are kept, or none."""

    def __init__(self, settings: RecorderSettings) -> None:
        self._only_failures = settings.outcomes == "failures"
        self._keys = frozenset(settings.keys)
        self._models = _pattern(settings.models) if settings.models else None
        self._share = settings.sample
        self.keeps_all = not (self._only_failures or self._keys or self._models) and self._share >= 1

    def wants(self, about: Selectable) -> bool:
        if self.keeps_all:
            return True
        if self._only_failures and about.outcome not in FAILURES:
            return False
        if self._keys and (about.key or NO_KEY) not in self._keys:
            return False
        if self._models is not None and not self._models.fullmatch(about.model):
            return False
        return self._share >= 1 or _fraction(about.conversation or about.transaction_id) < self._share


def _pattern(models: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(model).replace(r"\*", ".*") for model in models), re.DOTALL)


def _fraction(identity: str) -> float:
    """A number from 0 to below 1 that every gateway makes of this text."""
    digest = blake2b(identity.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest) / _WHOLE

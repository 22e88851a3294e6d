"""The acts that are in force: what a process has to perform that begins to serve beside others, or in the place of one
that died. Else a key that was revoked would be good again at one of them. Pure."""

from collections.abc import Callable
from time import monotonic

from msgspec.structs import replace

from app.admin.acts import (
    Act,
    DrainDeployment,
    OpenBreaker,
    ReleaseBreaker,
    ResetBreaker,
    RestoreDeployment,
    RestoreKey,
    RevokeKey,
    SetLogLevel,
    SetWeight,
)


class StandingActs:
    """Remembers acts that were performed, until others undo them or their time is over. `clock` returns monotonic
    seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._acts: dict[tuple[str, str], tuple[Act, float]] = {}
        """By what they change, with when they were performed, the latest last."""

    def note(self, act: Act) -> None:
        """An act was performed."""
        if (subject := _subject(act)) is None:
            return
        self._acts.pop(subject, None)
        # A key may be restored by its id after all of its name were revoked.
        if not _undoes(act) or (isinstance(act, RestoreKey) and self._some_are_revoked()):
            self._acts[subject] = act, self._clock()

    def in_force(self) -> list[Act]:
        """What has to be performed, in this order, to be where the others are. What is refused then is of a name that
        the configuration no longer has."""
        now = self._clock()
        found: list[Act] = []
        for act, at in self._acts.values():
            if not isinstance(act, OpenBreaker | SetLogLevel) or act.seconds is None:
                found.append(act)
            elif (left := act.seconds - (now - at)) > 0:
                found.append(replace(act, seconds=left))
        return found

    def _some_are_revoked(self) -> bool:
        return any(isinstance(act, RevokeKey) for act, _ in self._acts.values())


def _subject(act: Act) -> tuple[str, str] | None:
    """What an act changes; None where nothing lasts of it."""
    match act:
        case RevokeKey(key) | RestoreKey(key):
            return "key", key
        case OpenBreaker(name) | ReleaseBreaker(name) | ResetBreaker(name):
            return "breaker", name
        case DrainDeployment(id) | RestoreDeployment(id):
            return "drain", id
        case SetWeight(id):
            return "weight", id
        case SetLogLevel():
            return "log", ""
    return None


def _undoes(act: Act) -> bool:
    """Whether nothing of an earlier act of the same subject is left."""
    is_back = isinstance(act, SetWeight) and act.weight is None
    return is_back or isinstance(act, RestoreKey | ReleaseBreaker | ResetBreaker | RestoreDeployment)

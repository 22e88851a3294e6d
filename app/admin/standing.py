"""The acts that are in force: what a process has to perform that begins to serve beside others, or in the place of one
that died. Else a key that was revoked would be good again at one of them. Pure."""

from collections.abc import Callable
from time import monotonic

from msgspec.structs import replace

from app.admin.acts import (
    Act,
    DrainDeployment,
    OpenBreaker,
    Outcome,
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

    def note(self, act: Act, outcome: Outcome) -> bool:
        """An act was performed. Returns whether something lasts of it."""
        if isinstance(act, RevokeKey | RestoreKey):
            # By their ids: a key that gets the same name later is another one.
            for key in outcome["keys"]:
                self._keep(("key", key["id"]), type(act)(key["id"]))
            return True
        if (subject := _subject(act)) is None:
            return False
        self._keep(subject, act)
        return True

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

    def _keep(self, subject: tuple[str, str], act: Act) -> None:
        self._acts.pop(subject, None)
        if not _undoes(act):
            self._acts[subject] = act, self._clock()


def _subject(act: Act) -> tuple[str, str] | None:
    """What an act changes; None where nothing lasts of it."""
    match act:
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

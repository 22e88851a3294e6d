"""What becomes of a key of LiteLLM's that is not read here: nothing, a warning, or an error."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from app.configuration.guards import ALREADY, GUARDS, PROTECTED, Guard, is_set
from app.configuration.litellm_names import GENERAL, LITELLM, ROUTER, unsupported
from app.configuration.problems import Report, dotted
from app.conversion import Path

_SECTIONS = {"general_settings": GENERAL, "litellm_settings": LITELLM, "router_settings": ROUTER}
_NOT_HERE = "it changes nothing"


class LiteLLMKeys:
    """Judges keys. `ignored` is what the operator lists in `gateway.ignore`: guards to start without."""

    def __init__(self, report: Report, ignored: Sequence[object] = ()) -> None:
        self._report = report
        self._ignored = ignored
        self._used: set[str] = set()

    def unsupported(self, path: Path, value: object) -> None:
        """A key that LiteLLM reads and Flowspan does not."""
        key = general(path)
        guard = GUARDS.get(key)
        if not is_set(value) or (key in ALREADY and ALREADY[key] == value):
            return
        if guard is not None and guard.when(value):
            self._refuse(path, key, guard)
        else:
            self._report.warning(path, unsupported(key))

    def unknown(self, path: Path, value: object, known: Collection[str], what: str = "key") -> None:
        """A key that LiteLLM does not read in this place. It is an error where it was to be a guard, or a section."""
        *parents, name = path
        meant = _closest(str(name), known)
        key = general((*parents, meant)) if meant else ""
        guard = GUARDS.get(key)
        if meant and (key in PROTECTED or what == "section"):
            self._report.problem(path, f"unknown {what}; did you mean {meant}?")
        elif guard is not None and guard.when(value):
            self._refuse(path, general(path), guard, f"unknown {what}; did you mean {meant}? By that ")
        elif (elsewhere := _elsewhere(str(name))) and elsewhere != general(tuple(parents)):
            self._misplaced(path, value, elsewhere)
        else:
            hint = f"; did you mean {meant}?" if meant else ""
            self._report.warning(path, f"unknown {what}{hint or '; ' + _NOT_HERE}")

    def unused(self) -> None:
        """Warn of entries of `gateway.ignore` that name nothing of this file."""
        for index, entry in enumerate(self._ignored):
            if isinstance(entry, str) and entry not in self._used:
                self._report.warning(("gateway", "ignore", index), "the file has no guard of this name")

    def _misplaced(self, path: Path, value: object, section: str) -> None:
        guard = GUARDS.get(f"{section}.{path[-1]}")
        where = f"LiteLLM reads this key in {section}, and not here"
        if guard is not None and guard.when(value):
            self._refuse(path, general(path), guard, f"{where}; there ")
        else:
            self._report.warning(path, f"{where}; {_NOT_HERE}")

    def _refuse(self, path: Path, key: str, guard: Guard, before: str = "") -> None:
        if listed := {key, dotted(path)}.intersection(map(str, self._ignored)):
            self._used |= listed
            self._report.warning(path, before + guard.set_aside())
        else:
            self._report.problem(path, before + guard.refusal(key))


def general(path: Path) -> str:
    """A path as it stands in the tables: without the positions in lists."""
    return ".".join(step for step in path if isinstance(step, str))


def _closest(word: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.75)), "")


def _elsewhere(name: str) -> str:
    """The section in which LiteLLM reads a key, if it does."""
    return next((section for section, names in _SECTIONS.items() if name in names), "")

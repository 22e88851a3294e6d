"""Reads variables, each by its kind, and collects what is wrong with them; an empty one counts as not set."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence

from telemetry.names.variables import LANGUAGE_PREFIXES, VARIABLES

_MOST = 2**31 - 1
_WORD = re.compile(r"[\w./+-]{1,32}", re.ASCII)
"""What may be repeated in a message: it is no secret, as it looks like the name of a choice."""
_SHORTEST = 100
"""Milliseconds; a timeout below that is likely to be meant in seconds."""


class Variables:
    """The variables of one environment. Several names mean: the first one that is set. `problems` and `warnings` fill
    while they are read; both name the variable and neither shows a value that may be secret."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def refuse(self, name: str, message: str) -> None:
        self.problems.append(f"{name}: {message}")

    def found(self, *names: str) -> tuple[str, str]:
        """The first of the names that is set, and its value; the last name and an empty text where none is."""
        for name in names:
            if value := self._environ.get(name, "").strip():
                return name, value
        return names[-1], ""

    def text(self, *names: str) -> str:
        return self.found(*names)[1]

    def flag(self, *names: str) -> bool:
        """Whether it is `true`; anything but `true` and `false` is a problem."""
        name, value = self.found(*names)
        if value.lower() not in ("", "true", "false"):
            self.refuse(name, "expected true or false")
        return value.lower() == "true"

    def number(self, *names: str, default: int, least: int = 0) -> int:
        """A whole number from `least` on."""
        found = self.optional_number(*names, least=least)
        return default if found is None else found

    def optional_number(self, *names: str, least: int = 0) -> int | None:
        """A whole number from `least` on; None where none is set."""
        name, value = self.found(*names)
        if not value:
            return None
        if not (value.isascii() and value.isdecimal() and least <= int(value[:12]) <= _MOST):
            self.refuse(name, f"expected a whole number from {least} on")
            return None
        return int(value)

    def seconds(self, *names: str, default: int, least: int = 0) -> float:
        """Milliseconds, by the specification, as seconds; `default` is in milliseconds, too."""
        return self.number(*names, default=default, least=least) / 1000

    def timeout(self, *names: str, default: int) -> float:
        """A time limit in seconds, of milliseconds; 0 stands for no limit, and becomes infinite."""
        name, value = self.found(*names)
        milliseconds = self.number(*names, default=default)
        if value and 0 < milliseconds < _SHORTEST:
            self.warnings.append(f"{name}: {milliseconds} are milliseconds, in which hardly any export gets done")
        return milliseconds / 1000 if milliseconds else float("inf")

    def word(self, *names: str, known: Collection[str], default: str) -> str:
        """One of the `known` words, in lower case."""
        name, value = self.found(*names)
        value = value.lower()
        if value and value not in known:
            self.refuse(name, f"{_quoted(value)} is not supported{_expected(value, known)}")
            return default
        return value or default

    def words(self, name: str, known: Collection[str]) -> tuple[str, ...] | None:
        """Some of the `known` words, separated by commas, each once; None where none is set. `none` stands alone."""
        value = self.text(name).lower()
        if not value:
            return None
        words = tuple(dict.fromkeys(word for part in value.split(",") if (word := part.strip())))
        for word in words:
            if word not in known:
                self.refuse(name, f"{_quoted(word)} is not supported{_expected(word, known)}")
        if "none" in words and len(words) > 1:
            self.refuse(name, "none stands alone")
        return tuple(word for word in words if word in known and word != "none")

    def look_over(self) -> None:
        """Refuse and warn of what has no meaning for this gateway, and of names that look like slips of the pen."""
        for name, value in self._environ.items():
            spec = VARIABLES.get(name)
            if not name.startswith("OTEL_") or not value.strip():
                continue
            if spec is None:
                self._look_at_unknown(name)
            elif spec.standing == "refused":
                self.refuse(name, spec.text)
            elif spec.standing == "without meaning":
                self.warnings.append(f"{name}: has no meaning here: {spec.text}")

    def _look_at_unknown(self, name: str) -> None:
        close = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.85)
        if close and not name.startswith(LANGUAGE_PREFIXES):
            self.warnings.append(f"{name}: nothing reads it; did you mean {close[0]}?")


def _quoted(word: str) -> str:
    return f"'{word}'" if _WORD.fullmatch(word) else "this"


def _expected(word: str, known: Collection[str]) -> str:
    close: Sequence[str] = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(known)}"

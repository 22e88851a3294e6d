"""The names by which clients may ask for a model: those of `model_list`, wildcards among them, and aliases. Pure.

A name is looked for in this order; the first that is found counts:

1. an alias (`router_settings.model_group_alias`), which leads to the model that it names;
2. the name of an entry of `model_list`;
3. a wildcard (`anthropic/*`, `claude-*`, `*`), the one with the most characters of its own first; then a wildcard for
   the name behind the prefix of the provider that it is known to belong to (`claude-x` for `anthropic/*`), as in
   LiteLLM.

A name with Claude Code's mark of a large context (`claude-opus-4-8[1m]`) stands for the name without it where nothing
has the mark in its own name: the mark is the client's, whose header asks for the context, and no provider knows it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from app.errors import UnknownModel, legible
from app.providers import find as find_provider
from app.settings import Alias

LONGEST = 256
"""Characters of a name that a wildcard can stand for."""
_MARK = re.compile(r"\[\d+[km]\]\Z", re.IGNORECASE)
_MATCHED = re.compile(r"[\w.:@=+-]+(?:/[\w.:@=+-]+)*", re.ASCII)
"""What wildcards may make of a name: it becomes part of an address at some providers."""
_COMPARED = 1000
"""Names among which a similar one is looked for."""
_NAMED = 8
"""Names in the error for an unknown one."""
_SUGGESTED = 3
"""Similar names in it."""
_ALIKE = 0.4
"""The share of pairs of letters that two names have in common, from which on one is suggested for the other."""


def anything(_: str) -> bool:
    """Whether any name is allowed: it is."""
    return True


class FoundModel(NamedTuple):
    """`name` is the name of an entry of `model_list`, `segments` what its wildcards stand for."""

    name: str
    segments: tuple[str, ...] = ()


class ModelNames:
    """All names of one gateway. `names` in the order of the configuration."""

    def __init__(self, names: Iterable[str], aliases: Mapping[str, Alias] | None = None) -> None:
        every = tuple(dict.fromkeys(names))
        self._aliases = dict(aliases or {})
        self.every = (*self._aliases, *every)
        """All names as they are written, hidden ones and wildcards too."""
        self._exact = {name: FoundModel(name) for name in every if not is_wildcard(name)}
        self.wildcards = tuple(sorted(filter(is_wildcard, every), key=_fixed_characters, reverse=True))
        """The most specific first."""
        self._patterns = [(name, _pattern(name)) for name in self.wildcards]

    def find(self, asked: str) -> FoundModel | None:
        """What a client means by a name; None where there is no such model."""
        if (found := self._named(asked)) is not None:
            return found
        if not _MARK.search(asked):
            return self._matching(asked) if self._patterns else None
        bare = _MARK.sub("", asked)
        return self._matching(asked, marked=True) or self._named(bare) or self._matching(bare)

    def meanings(self, asked: str) -> tuple[str, ...]:
        """The names by which it may be allowed to ask for this one: itself, and the name of the model that it leads to,
        with what wildcards stand for in their place."""
        if (found := self.find(asked)) is None or found.name == asked:
            return (asked,)
        name = found.name
        for segment in found.segments:
            name = name.replace("*", segment, 1)
        return asked, name

    def listed(self) -> tuple[str, ...]:
        """The names that a list of models shows: those of entries and aliases. What wildcards stand for is known to
        the provider alone."""
        visible = (name for name, alias in self._aliases.items() if not alias.hidden)
        return tuple(dict.fromkeys((*self._exact, *visible)))

    def similar(self, asked: str, most: int, allowed: Callable[[str], bool] = anything) -> list[str]:
        """Listed names, of those that are allowed, that are like one that was asked for, the most similar first."""
        pairs = _pairs(asked[:LONGEST])
        ranked = sorted(((_likeness(pairs, other), name) for name, other in self._compared), reverse=True)
        alike = (name for likeness, name in ranked if likeness >= _ALIKE)
        return list(islice(filter(allowed, alike), most))

    def unknown(self, asked: str, allowed: Callable[[str], bool] = anything) -> UnknownModel:
        """The error for a name that stands for nothing, with names that do, of those that are allowed: similar ones, or
        all if they are few."""
        similar, known = self.similar(asked, _SUGGESTED, allowed), tuple(filter(allowed, self.listed()))
        sentences = [f"The model `{legible(asked)}` does not exist here."]
        if similar:
            sentences.append(f"Did you mean {_quoted(similar)}?")
        elif known and len(known) <= _NAMED:
            sentences.append(f"There {'is' if len(known) == 1 else 'are'} {_quoted(known, 'and')}.")
        if self.wildcards:
            sentences.append(f"Names like {_quoted(self.wildcards[:_NAMED])} are served, too.")
        if len(known) > (len(similar) or _NAMED):
            sentences.append("GET /v1/models lists all.")
        return UnknownModel(" ".join(sentences), detail=f"asked for {legible(asked)!r}", param="model")

    @cached_property
    def _compared(self) -> list[tuple[str, frozenset[str]]]:
        return [(name, _pairs(name)) for name in self.listed()[:_COMPARED]]

    def _named(self, asked: str) -> FoundModel | None:
        if (alias := self._aliases.get(asked)) is not None:
            return self._exact.get(alias.model) or self._matching(alias.model)
        return self._exact.get(asked)

    def _matching(self, asked: str, *, marked: bool = False) -> FoundModel | None:
        """By a wildcard; with `marked`, by one that has a mark itself."""
        if not self._patterns or len(asked) > LONGEST:
            return None
        if not _MATCHED.fullmatch(_MARK.sub("", asked) if marked else asked) or ".." in asked:
            return None
        provider = find_provider(asked, {}) if "/" not in asked else None
        for name in (asked, f"{provider.provider.prefix}/{asked}" if provider else ""):
            for wildcard, pattern in self._patterns if name else ():
                if (not marked or _MARK.search(wildcard)) and (match := pattern.fullmatch(name)):
                    return FoundModel(wildcard, match.groups())
        return None


class ModelPatterns:
    """Names of models, with `*` for any text, as a key or a team has them."""

    def __init__(self, patterns: Iterable[str]) -> None:
        every = tuple(patterns)
        self._exact = frozenset(pattern for pattern in every if not is_wildcard(pattern))
        self._others = [_pattern(pattern) for pattern in every if is_wildcard(pattern)]

    def match(self, names: Iterable[str]) -> bool:
        """Whether one of the names is meant: those of `ModelNames.meanings`."""
        return any(name in self._exact or any(one.fullmatch(name) for one in self._others) for name in names)


def is_wildcard(name: str) -> bool:
    """Whether a name in `model_list` stands for others."""
    return "*" in name


def _fixed_characters(wildcard: str) -> int:
    return len(wildcard) - wildcard.count("*")


def _pattern(wildcard: str) -> re.Pattern[str]:
    """A group for each `*`. What is between two of them is taken where it comes first, and no other place is tried:
    names are a stranger's, and a search that goes back takes a power of their length."""
    first, *between, last = map(re.escape, wildcard.split("*"))
    return re.compile(f"{first}{''.join(f'(?>(.*?){text})' for text in between)}(.*){last}")


def _quoted(names: Sequence[str], conjunction: str = "or") -> str:
    *others, last = (f"`{legible(name, 80)}`" for name in names)
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def _pairs(name: str) -> frozenset[str]:
    """Its pairs of neighbouring letters, without the prefix of a provider: a slip of the pen changes two or three."""
    text = f" {name.rpartition('/')[2].lower()} "
    return frozenset(text[at : at + 2] for at in range(len(text) - 1))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))

"""YAML text in, plain data out that remembers its lines.

The parser's events are read directly. For 5,000 models that takes 0.16 s of CPU; PyYAML's nodes, which also know their
lines, take 0.5 s to compose and 0.2 s more to become plain data. The price is that scalars have to be resolved here
(`plain`). They are read as YAML 1.1 does, which LiteLLM's files are written for, but a date stays text
(`api_version: 2024-06-01`).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from app.conversion import Path


class Block(dict[str, Any]):
    """A mapping; `lines` has the line of each key, `origins` the file of those that an included file brought."""

    def __init__(self, line: int, file: str) -> None:
        super().__init__()
        self.line = line
        self.file = file
        self.lines: dict[str, int] = {}
        self.origins: dict[str, str] = {}


class Items(list[Any]):
    """A list; `lines` has the line of each item."""

    def __init__(self, line: int, file: str) -> None:
        super().__init__()
        self.line = line
        self.file = file
        self.lines: list[int] = []


class NotYaml(Exception):
    """The text is no YAML, or YAML of a kind that a configuration has no use for."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Duplicate(NamedTuple):
    """A key that its mapping has already; the later one counts. The place is that of the second."""

    path: Path
    file: str
    line: int


class Document:
    """A parsed text of a `file`. `data` is the root; `duplicates` are the repeated keys."""

    def __init__(self, text: str, file: str = "") -> None:
        self.file = file
        self.files = [file]
        """This one, and those that it includes."""
        self.duplicates: list[Duplicate] = []
        self._anchors: dict[str, Any] = {}
        self.data: Any = None
        try:
            self._read(yaml.parse(text, Loader=yaml.CSafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            raise NotYaml(line, _in_words(error.problem, _line_from(text, mark))) from None
        except yaml.YAMLError as error:
            raise NotYaml(1, f"not YAML: {getattr(error, 'reason', 'unreadable')}") from None
        except RecursionError:
            raise NotYaml(1, "nested too deeply") from None

    def location(self, path: Path) -> tuple[str, int]:
        """File and line of the value at `path`, or of the innermost value on the way to it that there is."""
        here, file, line = self.data, self.file, 1
        for step in path:
            if isinstance(here, Block) and isinstance(step, str) and step in here:
                file, line = here.origins.get(step, here.file), here.lines.get(step, here.line)
                here = here[step]
            elif isinstance(here, Items) and isinstance(step, int) and step < len(here):
                file, line = getattr(here[step], "file", here.file), here.lines[step]
                here = here[step]
            else:
                break
        return file, line

    def _read(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            if type(event) is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise NotYaml(_line(event), "a second document; one file has one")
                self.data = self._node(next(events), events, ())

    def _node(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = plain(event.value) if event.implicit[0] else event.value
        elif kind is yaml.MappingStartEvent:
            return self._mapping(event, events, path)
        elif kind is yaml.SequenceStartEvent:
            return self._sequence(event, events, path)
        else:
            if event.anchor not in self._anchors:
                raise NotYaml(_line(event), f"no anchor &{event.anchor} before this alias")
            return self._anchors[event.anchor]
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _sequence(self, start: Any, events: Iterator[Any], path: Path) -> Items:
        items = Items(_line(start), self.file)
        for event in events:
            if type(event) is yaml.SequenceEndEvent:
                break
            items.lines.append(_line(event))
            items.append(self._node(event, events, (*path, len(items))))
        # Only what is complete can be an alias's target, so nothing can contain itself.
        if start.anchor:
            self._anchors[start.anchor] = items
        return items

    def _mapping(self, start: Any, events: Iterator[Any], path: Path) -> Block:
        block = Block(_line(start), self.file)
        merged: list[Any] = []
        for event in events:
            if type(event) is yaml.MappingEndEvent:
                break
            line = _line(event)
            if type(event) is not yaml.ScalarEvent:
                raise NotYaml(line, "a key must be text; a template ({{ ... }}) has to be rendered first")
            key = event.value
            value = self._node(next(events), events, (*path, key))
            if key == "<<" and event.implicit[0]:
                merged += value if isinstance(value, list) else [value]
                continue
            if key in block:
                self.duplicates.append(Duplicate((*path, key), self.file, line))
            block[key] = value
            block.lines[key] = line
        _merge(block, merged)
        if start.anchor:
            self._anchors[start.anchor] = block
        return block


def _line_from(text: str, mark: Any) -> str:
    """The rest of the line in which the parser stopped, from there on."""
    lines = text.splitlines()
    return lines[mark.line][mark.column :] if mark is not None and mark.line < len(lines) else ""


def _in_words(problem: str | None, rest: str) -> str:
    """The parser's message, in an operator's words where these help more."""
    if problem and ("tab" in problem.split() or ("cannot start any token" in problem and rest.startswith("\t"))):
        return "a tab; YAML is indented with spaces"
    if problem and "cannot start any token" in problem:
        return f"no value begins with {rest[:1]} unless it stands in quotes"
    return problem or "not YAML"


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _merge(block: Block, sources: list[Any]) -> None:
    for source in sources:
        if not isinstance(source, Block):
            raise NotYaml(block.line, "<< takes a mapping")
        for key, value in source.items():
            if key not in block:
                block[key] = value
                block.lines[key] = source.lines[key]


_NUMBER_START = frozenset("+-.0123456789")
_WORDS: dict[str, bool | None] = {
    form: value
    for words, value in (
        (("true", "yes", "on"), True),
        (("false", "no", "off"), False),
        (("null", "~", ""), None),
    )
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_BASED = re.compile(r"[-+]?0(?:x_*[0-9a-fA-F][0-9a-fA-F_]*|b_*[01][01_]*|o_*[0-7][0-7_]*|[0-7_]+)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")


@lru_cache(maxsize=4096)
def plain(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text.replace("_", ""))
    if _BASED.fullmatch(text):
        digits = text.replace("_", "")
        return int(digits, 0) if digits.lstrip("+-")[1:2] in ("x", "b", "o") else int(digits, 8)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if text.lstrip("+-").lower() == ".inf":
        return float("-inf" if text[0] == "-" else "inf")
    return text

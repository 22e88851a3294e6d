"""YAML text in, plain data out that remembers its lines.

The parser's events are read directly: node objects would double the time of a file with thousands of models. Scalars
are read as YAML 1.1 does, which LiteLLM's files are written for, but a date stays text (`api_version: 2024-06-01`).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from app.conversion import Path


class Block(dict[str, Any]):
    """A mapping; `lines` has the line of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Items(list[Any]):
    """A list; `lines` has the line of each item."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


class NotYaml(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Document:
    """`data` is the root; `duplicates` are the paths of keys that stand twice, with the line of the second."""

    def __init__(self, text: str) -> None:
        self.duplicates: list[tuple[Path, int]] = []
        self._anchors: dict[str, Any] = {}
        self.data: Any = None
        try:
            self._read(yaml.parse(text, Loader=yaml.CSafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            raise NotYaml(line, error.problem or "not YAML") from None
        except yaml.YAMLError as error:
            raise NotYaml(1, f"not YAML: {getattr(error, 'reason', 'unreadable')}") from None
        except RecursionError:
            raise NotYaml(1, "nested too deeply") from None

    def line(self, path: Path) -> int:
        """The line of what stands at `path`, or of the innermost thing round it that is there."""
        here, line = self.data, 1
        for step in path:
            if isinstance(here, Block) and isinstance(step, str) and step in here:
                here, line = here[step], here.lines.get(step, here.line)
            elif isinstance(here, Items) and isinstance(step, int) and step < len(here):
                here, line = here[step], here.lines[step]
            else:
                break
        return line

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
        items = Items(_line(start))
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
        block = Block(_line(start))
        merged: list[Any] = []
        for event in events:
            if type(event) is yaml.MappingEndEvent:
                break
            line = _line(event)
            if type(event) is not yaml.ScalarEvent:
                raise NotYaml(line, "a key must be text")
            key = event.value
            value = self._node(next(events), events, (*path, key))
            if key == "<<" and event.implicit[0]:
                merged += value if isinstance(value, list) else [value]
                continue
            if key in block:
                self.duplicates.append(((*path, key), line))
            block[key] = value
            block.lines[key] = line
        _merge(block, merged)
        if start.anchor:
            self._anchors[start.anchor] = block
        return block


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
_BASED = re.compile(r"[-+]?0(?:x[0-9a-fA-F_]+|b[01_]+|o?[0-7_]+)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")


@lru_cache(maxsize=4096)
def plain(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        digits = text.replace("_", "")
        return int(digits, 0) if digits.lstrip("+-")[1:2] in ("x", "b", "o") else int(digits, 8)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if text.lstrip("+-").lower() == ".inf":
        return float("-inf" if text[0] == "-" else "inf")
    return text

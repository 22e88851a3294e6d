"""`include: [file.yaml, ...]`: the sections of other files, merged as LiteLLM does it.

A list goes on where that of the including file ends; any other section takes the place of the one there was. A file is
looked for beside the one that names it, and read once, however often it is named.
"""

from collections import deque
from pathlib import Path as FilePath

from app.configuration.document import Block, Document, Items, NotYaml
from app.configuration.problems import Report

_MOST = 1_000
"""Files of one configuration."""


def read_included(document: Document, report: Report) -> None:
    """Merge what `document` includes into it. What cannot be read is a problem of the line that names it."""
    root = document.data
    known = {_resolved(FilePath(document.file))}
    waiting = deque(_named(root, document.file, report))
    while waiting and len(known) < _MOST:
        file, index = waiting.popleft()
        if (where := _resolved(file)) in known:
            continue
        known.add(where)
        document.files.append(str(file))
        included = _included(file, index, report)
        if included is not None:
            document.duplicates += included.duplicates
            waiting.extend((one, index) for one, _ in _named(included.data, str(file), report))
            _merge(document, included.data, index, report)


def _named(root: Block, file: str, report: Report) -> list[tuple[FilePath, int]]:
    """The files that a document includes, each with its position in the list."""
    entries = root.get("include")
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(one, str) and one for one in entries):
        report.problem(("include",), "expected a list of files")
        return []
    return [(FilePath(file).parent / one, index) for index, one in enumerate(entries)]


def _included(file: FilePath, index: int, report: Report) -> Document | None:
    """A document that is a mapping, or None where there is no such thing."""
    path = ("include", index)
    try:
        document = Document(file.read_text("utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        report.problem(path, f"the file {file} cannot be read: {reason}")
    except NotYaml as error:
        report.at(path, str(file), error.line, error.message, fatal=True)
    else:
        if isinstance(document.data, Block):
            return document
        report.problem(path, f"the file {file} is no mapping of sections")
    return None


def _merge(document: Document, included: Block, index: int, report: Report) -> None:
    root = document.data
    for key, value in included.items():
        if key == "include":
            continue
        there = root.get(key)
        if isinstance(there, Items) and isinstance(value, Items):
            root[key] = _joined(there, value)
            continue
        if isinstance(there, Block) and isinstance(value, Block) and (lost := there.keys() - value.keys()):
            message = f"its {key} takes the place of the one before, and {', '.join(sorted(lost))} would be lost"
            report.problem(("include", index), message)
        root[key] = value
        root.lines[key] = included.lines[key]
        root.origins[key] = included.origins.get(key, included.file)


def _joined(first: Items, second: Items) -> Items:
    joined = Items(first.line, first.file)
    joined += [*first, *second]
    joined.lines = [*first.lines, *second.lines]
    return joined


def _resolved(file: FilePath) -> str:
    return str(file.absolute().resolve())

"""The page docs/redact.md: what stands round the tables, and the tables as the lists and the SDKs' types make them.

`python -m tests.unit.text_fields.tables` writes the tables anew.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from app.messages import Dialect
from app.text_fields import FieldKind, kind_of
from tests.unit.text_fields.sdk_types import ANSWERS, EVENTS, REQUESTS, SdkPath, paths

PAGE = Path(__file__).parents[3] / "docs" / "redact.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
DIALECTS: tuple[Dialect, ...] = tuple(REQUESTS)
COLUMNS = ("text", "word", "symbol", "secret", "opaque")
HEADINGS = {"text": "Text", "symbol": "Identifiers and words", "secret": "Secrets", "opaque": "Opaque data"}


def kind(path: SdkPath) -> str:
    """What a field holds. If that depends on the type of its object, the kind that a policy reads most of."""
    found = {kind_of(path.field, parent, path.around) for parent in path.parents or ("",)}
    return "word" if path.is_word else next(name for name in COLUMNS if name in found)


def tables() -> str:
    return "\n\n".join([_counts(), *_lists()])


def _counts() -> str:
    rows = [
        "| dialect | side | text | word | identifier | secret | opaque |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for dialect in DIALECTS:
        for side, roots in (("requests", REQUESTS), ("answers", ANSWERS), ("events", EVENTS)):
            if dialect in roots:
                found = Counter(kind(path) for path in _distinct(paths(roots[dialect])))
                counts = " | ".join(str(found[column]) for column in COLUMNS)
                rows.append(f"| `{dialect}` | {side} | {counts} |")
    return "\n".join(rows)


def _lists() -> Iterable[str]:
    for dialect in DIALECTS:
        fields: defaultdict[str, set[str]] = defaultdict(set)
        for roots in (REQUESTS, ANSWERS, EVENTS):
            for path in paths(roots[dialect]) if dialect in roots else ():
                fields[kind(path)].add(_name(path))
        rows = ["| what it holds | fields |", "| --- | --- |"]
        names: tuple[FieldKind, ...] = ("text", "symbol", "secret", "opaque")
        rows += [f"| {HEADINGS[one]} | {', '.join(sorted(fields[one]))} |" for one in names if fields[one]]
        yield "\n".join([f"### `{dialect}`", "", *rows])


def _name(path: SdkPath) -> str:
    """The name of a field, after that of its object where it says too little alone."""
    return (
        f"`{path.around}.{path.field}`"
        if path.field in ("data", "value", "result") and path.around
        else f"`{path.field}`"
    )


def _distinct(found: Iterable[SdkPath]) -> Iterable[SdkPath]:
    return {str(path): path for path in found}.values()


def page() -> str:
    """The page as it should be."""
    written = PAGE.read_text()
    before, _, rest = written.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())

"""Two texts as the lines that differ, with some around them. Pure, and bounded whatever is compared.

The comparison of Python's library is quadratic: what is the same at both ends is taken off first, and where the rest is
too large, it is given as replaced.
"""

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from msgspec import Struct

_COMPARED = 1_500
"""Lines of either text that are compared one by one."""
_CONTEXT = 3
_LONGEST_WORD = 40
_INDENT = "  "


class Line(Struct, frozen=True, gc=False):
    """A line of a difference. `kind`: in both texts, in the later or the earlier one alone, or a gap of `skipped`
    lines that are in both. Of a changed line, `text[start:end]` is what differs."""

    kind: Literal["same", "added", "removed", "gap"]
    text: str = ""
    start: int = 0
    end: int = 0
    skipped: int = 0


def difference(before: Sequence[str], now: Sequence[str], limit: int = 400) -> tuple[Line, ...]:
    """The lines that differ; none where the texts are the same. At most about `limit` lines; a gap at the end stands
    for those beyond them."""
    if list(before) == list(now):
        return ()
    lines: list[Line] = []
    for line in _merged(_lines(before, now, limit)):
        if len(lines) >= limit:
            lines.append(Line("gap", skipped=len(before) + len(now)))
            break
        lines.append(line)
    return tuple(lines)


def _lines(before: Sequence[str], now: Sequence[str], limit: int) -> Iterator[Line]:
    head = _common(before, now, 0)
    tail = _common(before[head:][::-1], now[head:][::-1], 0)
    old, new = before[head : len(before) - tail], now[head : len(now) - tail]
    yield from _around(before[:head], at_start=True)
    if len(old) > _COMPARED or len(new) > _COMPARED:
        # No more than somebody sees, and one for the gap behind them.
        yield from _replaced(old[: limit + 1], new[: limit + 1])
    else:
        # Lines that stand there often lead nowhere, and a comparison by them takes minutes.
        for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=True).get_opcodes():
            yield from _same(old[a:b]) if tag == "equal" else _replaced(old[a:b], new[c:d])
    yield from _around(before[len(before) - tail :], at_start=False)


def _common(before: Sequence[str], now: Sequence[str], start: int) -> int:
    at = start
    for one, other in zip(before[start:], now[start:], strict=False):
        if one != other:
            break
        at += 1
    return at


def _around(lines: Sequence[str], at_start: bool) -> Iterator[Line]:
    if len(lines) > _CONTEXT:
        gap = Line("gap", skipped=len(lines) - _CONTEXT)
        near = [Line("same", text) for text in (lines[-_CONTEXT:] if at_start else lines[:_CONTEXT])]
        yield from [gap, *near] if at_start else [*near, gap]
    else:
        yield from [Line("same", text) for text in lines]


def _same(lines: Sequence[str]) -> Iterator[Line]:
    if len(lines) <= 2 * _CONTEXT + 1:
        yield from [Line("same", text) for text in lines]
        return
    yield from [Line("same", text) for text in lines[:_CONTEXT]]
    yield Line("gap", skipped=len(lines) - 2 * _CONTEXT)
    yield from [Line("same", text) for text in lines[-_CONTEXT:]]


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    if len(old) != len(new):
        yield from [Line("removed", text, 0, len(text)) for text in old]
        yield from [Line("added", text, 0, len(text)) for text in new]
        return
    pairs = [(*pair, *_middle(*pair)) for pair in zip(old, new, strict=True)]
    yield from [Line("removed", before, start, len(before) - end) for before, _, start, end in pairs]
    yield from [Line("added", now, start, len(now) - end) for _, now, start, end in pairs]


def _middle(before: str, now: str) -> tuple[int, int]:
    """How many characters at the start, and at the end, two lines have in common, in whole words."""
    most = min(len(before), len(now))
    start = _matching(before, now, most)
    end = _matching(before[start:][::-1], now[start:][::-1], most - start)
    return start - _letters(before[max(0, start - _LONGEST_WORD) : start][::-1]), end - _letters(
        before[len(before) - end :][:_LONGEST_WORD]
    )


def _letters(text: str) -> int:
    """How many characters of a word the text begins with; none where it is no end of a word that would be looked at."""
    count = next((at for at, letter in enumerate(text) if not letter.isalnum()), len(text))
    return count if count < _LONGEST_WORD else 0


def _matching(before: str, now: str, most: int) -> int:
    """How many characters both begin with, found by halving."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if before[low:middle] == now[low:middle] else (low, middle - 1)
    return low


def _merged(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines with gaps that follow each other as one."""
    waiting = 0
    for line in lines:
        if line.kind == "gap":
            waiting += line.skipped
            continue
        if waiting:
            yield Line("gap", skipped=waiting)
            waiting = 0
        yield line
    if waiting:
        yield Line("gap", skipped=waiting)


def readable_json(value: Any) -> list[str]:
    """JSON as lines, for people: indented, and a text of several lines as such, with its line ends at their ends."""
    lines: list[str] = []
    _write(lines, "", value, "", "")
    return lines


def _write(lines: list[str], head: str, value: Any, indent: str, tail: str) -> None:
    """Add the lines of a value that stands behind `head` and before `tail`."""
    inner = indent + _INDENT
    if isinstance(value, dict) and value:
        lines.append(f"{head}{{")
        last = len(value) - 1
        for at, (name, one) in enumerate(value.items()):
            key = json.dumps(str(name), ensure_ascii=False)
            _write(lines, f"{inner}{key}: ", one, inner, "," if at < last else "")
        lines.append(f"{indent}}}{tail}")
    elif isinstance(value, list | tuple) and value:
        lines.append(f"{head}[")
        last = len(value) - 1
        for at, one in enumerate(value):
            _write(lines, inner, one, inner, "," if at < last else "")
        lines.append(f"{indent}]{tail}")
    else:
        lines += _scalar(head, value, inner, tail)


def _scalar(head: str, value: Any, inner: str, tail: str) -> Iterator[str]:
    if not isinstance(value, str) or "\n" not in value:
        yield f"{head}{json.dumps(value, ensure_ascii=False, default=str)}{tail}"
        return
    first, *rest = [json.dumps(line, ensure_ascii=False)[1:-1] for line in value.split("\n")]
    yield f'{head}"{first}\\n'
    for line in rest[:-1]:
        yield f"{inner}{line}\\n"
    yield f'{inner}{rest[-1]}"{tail}'

"""JSON within a number of bytes: the ends of a list and of a text are kept, and their middle is left out and counted.

What an agent asks for begins with its task and ends with what happened last; both are worth more than what lies
between. Whatever the limit, what comes out is JSON. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

_SHORTEST = 64
"""Characters of a text that are kept in any case: names, ids and types are no longer."""
_LARGEST_COUNT = 9_999_999


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Stands in a list for `count` items that were left out of it."""

    count: int


def middle_of(count: int, size_of: Callable[[int], int], room: int, lead: int) -> tuple[int, int]:
    """From where to where items have to be left out, so that the others have no more than `room` together. The first
    `lead` items and the last one stay, whatever their size. `size_of` is asked for the sizes of those that stay, and
    of one more."""
    if not count:
        return 0, 0
    begin, end = min(lead, count - 1), count - 1
    room -= sum(map(size_of, range(begin))) + size_of(end)
    while end > begin and (size := size_of(end - 1)) <= room:
        room -= size
        end -= 1
    return begin, end


def excerpt(text: str, limit: int) -> str:
    """The beginning and the end of a text, in `limit` characters, with a note of how many are missing between them."""
    if len(text) <= limit:
        return text
    keep = limit - len(_note(len(text)))
    if keep <= 0:
        return text[:limit]
    return text[: keep - keep // 2] + _note(len(text) - keep) + text[len(text) - keep // 2 :]


def encoded_list(items: Sequence[Any], limit: int, note: Callable[[int], Any], *, lead: int = 1) -> tuple[bytes, bool]:
    """The items as a JSON list of at most `limit` bytes, and whether anything is missing in it.

    `note` makes the item that stands for a number of others. Where there is too much, items are left out of the middle
    of the list; the first `lead` items and the last one stay, and have the middles of their texts left out.
    """
    pieces = [_encoded(note(item.count) if isinstance(item, LeftOut) else item) for item in items]
    if sum(map(len, pieces)) + len(pieces) + 1 <= limit:
        return _listed(pieces), any(isinstance(item, LeftOut) for item in items)
    room = limit - 3 - len(_encoded(note(_LARGEST_COUNT)))
    lead = min(lead, len(items) - 1)
    ends = (*range(lead), len(items) - 1)
    # A quarter is for what lies between them, if anything does.
    room_of_ends = room if len(ends) == len(items) else room * 3 // 4
    for index, share in zip(ends, _shares([len(pieces[index]) + 1 for index in ends], room_of_ends), strict=True):
        if len(pieces[index]) + 1 > share:
            pieces[index] = _shortened(items[index], share - 1) or _encoded(note(1))
    begin, end = middle_of(len(items), lambda index: len(pieces[index]) + 1, room, lead)
    if begin < end:
        missing = sum(item.count if isinstance(item, LeftOut) else 1 for item in items[begin:end])
        pieces[begin:end] = [_encoded(note(missing))]
    found = _listed(pieces)
    return (found if len(found) <= limit else b"[]"), True


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """The room of each: what it needs, or an equal part of what those that need less leave."""
    shares = list(sizes)
    smallest_first = sorted(range(len(sizes)), key=sizes.__getitem__)
    for rank, index in enumerate(smallest_first):
        shares[index] = min(sizes[index], room // (len(sizes) - rank))
        room -= shares[index]
    return shares


def _shortened(item: Any, limit: int) -> bytes | None:
    """The item with the longest texts that fit; None if it is too large for other reasons than the length of texts."""
    found, least, most = None, _SHORTEST, limit
    while least <= most:
        longest = (least + most) // 2
        encoded = _encoded(_with_excerpts(item, longest))
        if len(encoded) <= limit:
            found, least = encoded, longest + max(1, longest // 16)
        else:
            most = longest - 1
    return found


def _with_excerpts(value: Any, limit: int) -> Any:
    match value:
        case str():
            return excerpt(value, limit)
        case {"type": "blob", "content": str(data)} if len(data) > limit:
            return blob_note(value.get("mime_type"), len(data))
        case dict():
            return {key: _with_excerpts(inner, limit) for key, inner in value.items()}
        case list():
            return [_with_excerpts(inner, limit) for inner in value]
        case _:
            return value


def blob_note(mime_type: str | None, size: int) -> dict[str, str]:
    """A part in the place of data that no piece of would be of use; `size` in characters of base64."""
    return {"type": "text", "content": f"[{mime_type or 'data'}, {size:,} characters of base64, left out]"}


def _note(count: int) -> str:
    return f" [… {count:,} characters left out …] "


def _listed(pieces: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(pieces) + b"]"


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)

"""What policies took out of requests and answers, masked in recordings.

Nothing of a text is left in clear that did not go on past the policies as well: of an answer the beginning and the end
that its client got, too, each in one piece; of a request each text that the policies left as it was, and of a changed
one its unchanged ends. All else is masked, byte for byte, so that what is left is JSON, or
events, of the same length. Rather too much is masked than too little: a policy that failed has judged nothing, and an
attempt whose answer nobody got was not judged.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from app.recorder.json_texts import NotJson, TextSpan, decoded, secret_spans, text_spans, units

_MASK = b"*"
_DIGIT = b"1"
_LINE = re.compile(rb"[^\r\n]+")
_FIELD = re.compile(rb"(data|event|id|retry):[ ]?")
_WORD = re.compile(rb"[\w.:/+=~,#%$\[\]-]*")
_CANDIDATES, _FEWEST = 64, 4
"""Changed texts among which the counterpart of one is looked for, at most and at least."""
_COMPARISONS = 4_096
"""Comparisons of two texts for one request, about."""
_Sequence = TypeVar("_Sequence", str, bytes)


def masked(data: bytes) -> bytes:
    """The data with every text masked."""
    return _with_masks(data, [(span, 0, 0) for span in answer_spans(data)])


def masked_answer(data: bytes, delivered: bytes) -> bytes:
    """What a provider sent, with the texts masked that its client did not get. The same object if there are none."""
    begin, end = _same_ends(data, delivered)
    if begin + end >= len(data):
        return data
    middle, got = data[begin : len(data) - end], delivered[begin : len(delivered) - end]
    spans, texts = _texts(middle)
    first, last = _clear_ends("".join(texts), "".join(_texts(got)[1]), begin > 0, end > 0)
    masks = _between(spans, texts, first, len("".join(texts)) - last)
    return data[:begin] + _with_masks(middle, masks) + data[len(data) - end :] if masks else data


def masked_request(data: bytes, permitted: Iterable[str]) -> bytes:
    """A request as it came, with the texts masked that the policies did not let pass as they were. `permitted` are
    those that they did, in about the same order."""
    kept = dict.fromkeys(permitted)
    spans, texts = _texts(data)
    same = kept.keys() & texts
    gone = dict.fromkeys([text for text in texts if text not in kept])
    ends = _same_ends_of(list(gone), [text for text in kept if text not in same])
    return _with_masks(data, [(span, *ends[text]) for span, text in zip(spans, texts, strict=True) if text in gone])


def masked_secrets(data: bytes) -> bytes:
    """The data with what stands in fields that hold secrets masked."""
    try:
        spans = [span for span in text_spans(data) if span.is_secret]
    except (NotJson, RecursionError):
        spans = list(secret_spans(data))
    return _with_masks(data, [(span, 0, 0) for span in spans])


def answer_spans(data: bytes) -> list[TextSpan]:
    """The texts of a body: JSON, an event stream, or a line of JSON for each event. What is none of these is one text,
    line by line."""
    if _is_json(data):
        try:
            return text_spans(data)
        except (NotJson, RecursionError):
            pass
    return [span for line in _LINE.finditer(data) for span in _line_spans(data, *line.span())]


def _is_json(data: bytes) -> bool:
    return data[:64].lstrip()[:1] in (b"{", b"[")


def _line_spans(data: bytes, begin: int, end: int) -> list[TextSpan]:
    field = _FIELD.match(data, begin, end)
    at = begin if field is None else field.end()
    if field is not None and _WORD.fullmatch(data, at, end):
        return []
    try:
        return text_spans(data, at, end)
    except (NotJson, RecursionError):
        return [TextSpan(at, end)]


def _texts(data: bytes) -> tuple[list[TextSpan], list[str]]:
    spans = answer_spans(data)
    return spans, [decoded(data, span) for span in spans]


def _clear_ends(text: str, other: str, follows: bool, goes_on: bool) -> tuple[int, int]:
    """How many characters at the beginning and at the end of a text stand in the other one, each in one piece: anywhere
    in it, as an API says before and behind an answer what another one does not; but where the text `follows` what is
    equal in both, or `goes_on` with such, right there."""
    size = len(text)
    first = _common(text, other) if follows else _longest(size, lambda length: text[:length] in other)
    last = (
        _common(text[::-1], other[::-1]) if goes_on else _longest(size, lambda length: text[size - length :] in other)
    )
    # Were nothing left between the two, both together would be more than was let through in one piece.
    return first, last if first + last < size else 0


def _longest(limit: int, fits: Callable[[int], bool]) -> int:
    """The greatest size up to `limit` that fits, as all smaller ones do."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _same_ends(data: bytes, delivered: bytes) -> tuple[int, int]:
    """How many bytes of whole events are equal at the beginning and at the end of both."""
    if data == delivered:
        return len(data), 0
    if _is_json(data):
        return 0, 0
    blank = data.rfind(b"\n\n", 0, _common(data, delivered))
    begin = 0 if blank < 0 else blank + 2
    rest, others = data[begin:], delivered[begin:]
    same = _common(rest[::-1], others[::-1])
    at = rest.find(b"\n\n", len(rest) - same)
    return begin, 0 if at < 0 else len(rest) - at - 2


def _common(one: _Sequence, other: _Sequence) -> int:
    """How many bytes, or characters, are equal at the beginning of both."""
    return _longest(min(len(one), len(other)), lambda size: one[:size] == other[:size])


def _between(spans: Sequence[TextSpan], texts: Sequence[str], first: int, last: int) -> list[tuple[TextSpan, int, int]]:
    """The spans of which something is between these characters of all their texts together, each with how many of its
    characters are before and behind that."""
    found = []
    at = 0
    for span, text in zip(spans, texts, strict=True):
        before, behind = max(0, first - at), max(0, at + len(text) - last)
        at += len(text)
        if before + behind < len(text):
            found.append((span, before, behind))
    return found


def _same_ends_of(texts: Sequence[str], others: Sequence[str]) -> dict[str, tuple[int, int]]:
    """For each text how many characters are equal at both ends of it and of its counterpart: of all of the others, if
    that are few comparisons, else of those that stand at about the same place among them."""
    most = min(_CANDIDATES, max(_FEWEST, _COMPARISONS // max(1, len(texts))))
    found = {}
    for at, text in enumerate(texts):
        first = max(0, min(at - most // 2, len(others) - most))
        found[text] = _same_in(text, others[first : first + most])
    return found


def _same_in(text: str, others: Iterable[str]) -> tuple[int, int]:
    """How many characters are equal at both ends of a text and of that of the others which is most like it."""
    best = (0, 0)
    for other in others:
        first = _common(text, other)
        last = _common(text[first:][::-1], other[first:][::-1])
        best = max(best, (first, last), key=sum)
    return best


def _with_masks(data: bytes, spans: Sequence[tuple[TextSpan, int, int]]) -> bytes:
    """The data with masks in these spans, but for so many characters at the beginning and the end of each."""
    if not spans:
        return data
    found = bytearray(data)
    for span, before, behind in spans:
        begin, end = span.begin, span.end
        if before or behind:
            each = list(units(data, span))
            if len(each) != len(decoded(data, span)):
                before = behind = 0
            if before + behind >= len(each):
                continue
            begin, end = each[before][0], each[len(each) - behind - 1][1]
        if span.is_number:
            found[begin:end] = bytes([byte if byte == ord("-") else ord(_DIGIT) for byte in data[begin:end]])
        elif begin < end:
            found[begin:end] = _MASK * (end - begin)
    return bytes(found)

"""What a simulated model does: a `Scenario`, read from `simulated/<words>` and the deployment's params.

The name is words joined by `+`, each with an optional number after a dash: `simulated/thinking+tools-2+cut-5`. Params
have the same options by name, and win. The page docs/simulated-models.md has all words and params, with what they do.
"""

import re
from itertools import cycle, islice
from typing import Any, Literal

import msgspec
from msgspec import Struct

from app.conversion import did_you_mean

FaultKind = Literal["status", "stall", "cut", "error_event", "disconnect"]


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """A fault, and which requests it hits: those that `rate` (0..1), `every` and `first` all select."""

    kind: FaultKind
    status: int = 503
    retry_after: float | None = None
    after_chunks: int = 1
    """How many chunks are sent before it."""
    rate: float = 1.0
    every: int = 1
    first: int | None = None

    def meets(self, request_number: int, draw: float) -> bool:
        """Whether the request of this number, from 1, is hit. `draw` is a random number in 0..1."""
        in_turn = request_number % self.every == 0
        early = self.first is None or request_number <= self.first
        return in_turn and early and draw < self.rate


class SimulatedCall(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] | str = {}


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """The params of a simulated deployment; times in seconds."""

    answer: Literal["text", "echo", "tools", "refusal", "empty"] = "text"
    texts: tuple[str, ...] = ()
    """Texts of the answers, one after another from request to request."""
    tool_calls: tuple[SimulatedCall, ...] = ()
    """Calls that are made whatever tools the client declared, until the turn has results of a tool."""
    calls: int = 1
    """How many of the client's tools `tools` calls at once."""
    thinking: str = ""
    chunk_size: int | None = None
    """Characters in a chunk; None for a word."""
    delay: float = 0.0
    first_delay: float = 0.0
    finish_reason: str | None = None
    usage: bool = True
    cached: float = 0.0
    """The share of the prompt, 0..1, that is told as read from a cache."""
    cache_ttl: float | None = None
    """Seconds for which a prompt is kept in a cache of prefixes after its last use; None for no such cache."""
    cache_minimum: int = 1024
    """Tokens of a prompt from which on it is cached."""
    cache_size: int = 10_000
    """Prefixes in the cache; the one unused for longest goes first."""
    fault: Fault | None = None
    seed: int = 0


_LOREM = """
lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua
"""
_IGNORED = frozenset({"api_key", "api_base", "rpm", "tpm"})
_WORD = re.compile(r"(?P<word>[a-z]+(?:-[a-z]+)*)(?:-(?P<number>\d+(?:\.\d+)?))?")


def read_scenario(name: str, params: dict[str, Any]) -> Scenario:
    """Read a scenario. Raises ValueError, naming the word or the key, where the name or the params make no sense."""
    fields: dict[str, Any] = {}
    fault: dict[str, Any] = {}
    for word in name.split("+"):
        _read_word(word, fields, fault)
    given = {key: value for key, value in params.items() if key not in _IGNORED}
    if "texts" not in given and isinstance(text := given.pop("text", None), str):
        given["texts"] = [text]
    merged_fault = fault | (given.pop("fault", None) or {})
    if merged_fault:
        fields["fault"] = merged_fault
    if "kind" not in merged_fault and merged_fault:
        raise ValueError(f"simulated/{name}: {sorted(merged_fault)} need a fault to apply to")
    return _checked(name, fields | given)


def lorem(words: int) -> str:
    return " ".join(islice(cycle(_LOREM.split()), words))


def _checked(name: str, fields: dict[str, Any]) -> Scenario:
    try:
        scenario = msgspec.convert(fields, Scenario)
    except msgspec.ValidationError as error:
        raise ValueError(f"simulated/{name}: {error}") from error
    if not 0 <= scenario.cached <= 1:
        raise ValueError(f"simulated/{name}: `cached` lies in 0..1")
    if min(scenario.cache_minimum, scenario.cache_size) < 1 or (scenario.cache_ttl or 0) < 0:
        raise ValueError(f"simulated/{name}: `cache_minimum` and `cache_size` start at 1, and `cache_ttl` at 0")
    if scenario.cached and scenario.cache_ttl is not None:
        raise ValueError(f"simulated/{name}: `cached` is a fixed share, and `cache_ttl` a real cache: choose one")
    if scenario.chunk_size is not None and scenario.chunk_size < 1:
        raise ValueError(f"simulated/{name}: chunk_size must be at least 1")
    if (fault := scenario.fault) and (fault.every < 1 or not 0 <= fault.rate <= 1):
        raise ValueError(f"simulated/{name}: a fault's `every` starts at 1 and its `rate` lies in 0..1")
    return scenario


def _read_word(text: str, fields: dict[str, Any], fault: dict[str, Any]) -> None:
    match = _WORD.fullmatch(text)
    word, number = (match["word"], match["number"]) if match else ("", None)
    if word in _ANSWERS or word in _PLAIN:
        _read_answer(text, word, number, fields)
    elif word in _FAULTS:
        _read_fault(text, word, number, fault)
    elif word in _NUMBERS:
        target = fault if _NUMBERS[word] in Fault.__struct_fields__ else fields
        target[_NUMBERS[word]] = _scaled(word, _number(text, number))
    else:
        raise ValueError(
            f"unknown word {text!r} in a simulated model's name{did_you_mean(word, WORDS)}; the words are "
            f"{', '.join(WORDS)}"
        )


_ANSWERS = {"lorem", "tools", "thinking", "caching"}
_PLAIN = {"echo", "refusal", "empty", "no-usage"}
_FAULTS: dict[str, FaultKind] = {
    "status": "status",
    "stall": "stall",
    "cut": "cut",
    "error-event": "error_event",
    "disconnect": "disconnect",
}
_NUMBERS = {
    "slow-start": "first_delay",
    "pace": "delay",
    "retry-after": "retry_after",
    "rate": "rate",
    "every": "every",
    "first": "first",
    "cached": "cached",
}
WORDS = sorted({*_ANSWERS, *_PLAIN, *_FAULTS, *_NUMBERS})
"""All words that a name may have."""
_SCALES = {"pace": 1000.0, "rate": 100.0, "cached": 100.0}


def _read_answer(text: str, word: str, number: str | None, fields: dict[str, Any]) -> None:
    if word in _PLAIN and number is not None:
        raise ValueError(f"{text!r}: {word} takes no number")
    match word:
        case "lorem":
            fields["texts"] = [lorem(int(_whole(text, number, 20)))]
        case "thinking":
            fields["thinking"] = lorem(int(_whole(text, number, 5)))
        case "caching":
            fields["cache_ttl"] = 300.0 if number is None else float(number)
        case "tools":
            fields |= {"answer": "tools", "calls": _whole(text, number, 1)}
        case "no-usage":
            fields["usage"] = False
        case _:
            fields["answer"] = word


def _read_fault(text: str, word: str, number: str | None, fault: dict[str, Any]) -> None:
    if "kind" in fault:
        raise ValueError(f"{text!r}: one fault at a time")
    fault["kind"] = _FAULTS[word]
    if word == "status":
        fault["status"] = _whole(text, number, 503)
    else:
        fault["after_chunks"] = _whole(text, number, 1)


def _number(text: str, number: str | None) -> float:
    if number is None:
        raise ValueError(f"{text!r} needs a number, as in {text}-1")
    return float(number)


def _whole(text: str, number: str | None, default: int) -> int:
    value = default if number is None else float(number)
    if value != int(value):
        raise ValueError(f"{text!r} needs a whole number")
    return int(value)


def _scaled(word: str, number: float) -> float | int:
    if word in ("every", "first"):
        return _whole(f"{word}-{number}", str(number), 1)
    return number / _SCALES.get(word, 1.0)

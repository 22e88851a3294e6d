"""A chain of policies as a visitor writes it: YAML, as under `gateway.policies`. Pure.

A form loads no code: only policies that are built in, or that the gateway's own chain has, can be named.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec
import yaml

from app.conversion import did_you_mean
from app.policies.loading import BUILTIN
from app.settings import PolicySpec

LIMIT = 64 * 1024
"""Characters."""
_DEEPEST = 100
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
_SECTIONS = ("gateway", "policies")


class BadChain(Exception):
    """A chain that cannot be read, or names what it may not; the text says where."""


def chain_of(text: str, configured: Sequence[PolicySpec]) -> tuple[PolicySpec, ...]:
    """The policies that a text names, in their order. Raises BadChain."""
    if len(text) > LIMIT:
        raise BadChain(f"The configuration is longer than {LIMIT:,} characters.")
    try:
        specs = msgspec.convert(_entries(_read(text)), tuple[PolicySpec, ...])
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadChain(f"This is no list of policies: {error}") from None
    for spec in specs:
        _check_name(spec.use, configured)
    return specs


def text_of_chain(specs: Sequence[PolicySpec]) -> str:
    if not specs:
        return "[]\n"
    entries = [{name: value for name, value in msgspec.to_builtins(spec).items() if value} for spec in specs]
    for entry in entries:
        if entry.get("on_error") == "fail_closed":
            del entry["on_error"]
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _read(text: str) -> Any:
    if _depth(text) > _DEEPEST:
        raise BadChain("This is not YAML that a chain is written in: it is nested too deeply.")
    try:
        # Each alias stands for all that its anchor holds, so a few lines could be a list without end.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise BadChain("Aliases (`*name`) are not read here.")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadChain(f"This is not YAML: {error}") from None


def _depth(text: str) -> int:
    """How many brackets are open at most. YAML's reader takes a time that grows with the square of that."""
    return max(accumulate(_BRACKETS.get(letter, 0) for letter in text), default=0)


def _entries(value: Any) -> Any:
    """The list itself, or the one in the sections that a whole configuration has it in."""
    for section in _SECTIONS:
        if isinstance(value, dict) and set(value) == {section}:
            value = value[section]
    return [] if value is None else value


def _check_name(use: str, configured: Sequence[PolicySpec]) -> None:
    known = [*BUILTIN, *(spec.use for spec in configured if spec.use not in BUILTIN)]
    if use not in known:
        raise BadChain(
            f"There is no policy {use!r} to be tried here{did_you_mean(use, known)}. Those that can be, built in "
            f"or in the gateway's own chain, are {', '.join(known)}. Others are tried with `flowspan replay --policy`."
        )

"""Fields left out of a body by their paths, as LiteLLM's `additional_drop_params` names them. Pure.

`store` is a field, `text.verbosity` one of an object, `tools[*].function.strict` one of each object of a list,
`messages[0].name` one of a certain object. A path that leads nowhere drops nothing.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

_STEP = re.compile(r"\[(\*|\d+)\]|([^.\[\]]+)")


def without_fields(body: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The body without these fields; what is changed is copied, as others may hold the same values."""
    for path in paths:
        if path in body:
            body = {name: value for name, value in body.items() if name != path}
        elif "." in path or "[" in path:
            body = _without(body, _steps(path))
    return body


@lru_cache(1024)
def _steps(path: str) -> tuple[str, ...]:
    """The steps of a path that an operator wrote, or a provider's row."""
    return tuple(index or name for index, name in _STEP.findall(path))


def _without(value: Any, steps: Sequence[str]) -> Any:
    step, *rest = steps
    match value:
        case dict() if step in value:
            others = {name: inner for name, inner in value.items() if name != step}
            if not rest:
                return others
            inner = _without(value[step], rest)
            return value if inner is value[step] else {**value, step: inner}
        case list() if step == "*" or step.isdecimal():
            chosen = range(len(value)) if step == "*" else range(int(step), min(int(step) + 1, len(value)))
            if not rest:
                return [inner for at, inner in enumerate(value) if at not in chosen]
            changed = [_without(inner, rest) if at in chosen else inner for at, inner in enumerate(value)]
            same = all(new is old for new, old in zip(changed, value, strict=True))
            return value if same else changed
        case _:
            return value

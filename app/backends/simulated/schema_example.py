"""A plausible value for a JSON schema: arguments that satisfy a tool's `parameters`, mostly. Pure."""

from collections.abc import Callable
from typing import Any

_DEPTH = 8
_FORMATS = {
    "date": "2024-05-17",
    "date-time": "2024-05-17T12:00:00Z",
    "time": "12:00:00Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "3f1b1d3e-6c7a-4b57-9d0a-5a1d2c3b4e5f",
}

Schema = dict[str, Any]


def example(schema: Schema, name: str = "value", root: Schema | None = None, depth: int = 0) -> Any:
    """An example of a schema. Strings contain `name`; references are resolved in `root`; `depth` bounds recursion."""
    root = schema if root is None else root
    if depth > _DEPTH:
        return None
    schema = _resolved(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return example(schema[key][0], name, root, depth + 1)
    build = _BUILDERS.get(_type(schema), _nothing)
    return build(schema, name, root, depth)


def _resolved(schema: Schema, root: Schema) -> Schema:
    for _ in range(_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        schema = found
    for part in schema.get("allOf", ()):
        schema = {**_resolved(part, root), **schema}
    return schema


def _type(schema: Schema) -> str:
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((kind for kind in declared if kind != "null"), "null")
    if declared is None:
        return "object" if "properties" in schema else "string"
    return str(declared)


def _object(schema: Schema, name: str, root: Schema, depth: int) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties") or {}
    wanted = schema.get("required") or list(properties)
    return {key: example(properties.get(key) or {}, key, root, depth + 1) for key in wanted}


def _array(schema: Schema, name: str, root: Schema, depth: int) -> list[Any]:
    items = schema.get("items")
    count = max(1, int(schema.get("minItems", 1)))
    return [example(items if isinstance(items, dict) else {}, name, root, depth + 1) for _ in range(count)]


def _string(schema: Schema, name: str, root: Schema, depth: int) -> str:
    text = _FORMATS.get(schema.get("format", ""), f"some {name}")
    text = text.ljust(int(schema.get("minLength", 0)), ".")
    longest = schema.get("maxLength")
    return text if longest is None else text[: int(longest)]


def _integer(schema: Schema, name: str, root: Schema, depth: int) -> int:
    return int(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))


def _float(schema: Schema, name: str, root: Schema, depth: int) -> float:
    return float(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 0.5))


def _boolean(schema: Schema, name: str, root: Schema, depth: int) -> bool:
    return True


def _nothing(schema: Schema, name: str, root: Schema, depth: int) -> None:
    return None


_BUILDERS: dict[str, Callable[[Schema, str, Schema, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _float,
    "boolean": _boolean,
}

"""JSON schemas as Anthropic takes them: for the input of tools, and for answers and strict tools. Pure.

A tool's schema has the type `object` and no union at its top. One that the answer is bound to has only keywords that a
grammar can hold; what is taken out of it goes into its description, where the model reads it. Source:
platform.claude.com, page "Structured outputs", and what the official SDK does to schemas.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_Schema = dict[str, Any]
_UNIONS = ("anyOf", "oneOf", "allOf")
_LONGEST_CHAIN = 8
"""References to references that are followed."""
_DEEPEST = 64
_FORMATS = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid", "text"]
)
_REFUSED = frozenset(
    {
        *("maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "minimum", "maximum"),
        *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minProperties"),
        *("maxProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas"),
        *("unevaluatedProperties", "unevaluatedItems", "if", "then", "else", "not"),
    }
)


def input_schema(parameters: Mapping[str, Any] | None) -> _Schema:
    """The parameters of a function as a tool's `input_schema`; the same object where nothing is missing."""
    if not parameters:
        return {"type": "object", "properties": {}}
    schema = _flat(_resolved(dict(parameters), parameters), parameters)
    kind = schema.get("type")
    if kind is None or (isinstance(kind, list) and "object" in kind):
        schema["type"] = "object"
    for name in ("properties", "required"):
        if name in schema and schema[name] is None:
            del schema[name]
    if schema["type"] == "object":
        schema.setdefault("properties", {})
    return parameters if isinstance(parameters, dict) and _is_fit(parameters) else schema


def answer_schema(schema: Mapping[str, Any], depth: int = 0) -> _Schema:
    """A schema of only what a grammar can hold."""
    if depth > _DEEPEST:
        return dict(schema)
    notes = {name: value for name, value in schema.items() if _is_refused(name, value)}
    fit: _Schema = {}
    for name, value in schema.items():
        match name:
            case _ if name in notes:
                continue
            case "oneOf" | "anyOf":
                fit["anyOf"] = [*fit.get("anyOf", []), *_each(value, depth)]
            case "properties" | "$defs" | "definitions" if isinstance(value, dict):
                fit[name] = {key: _one(inner, depth) for key, inner in value.items()}
            case "allOf":
                fit[name] = _each(value, depth)
            case "items":
                fit[name] = _one(value, depth)
            case _:
                fit[name] = value
    if fit.get("type") == "object" or "properties" in fit:
        fit["additionalProperties"] = False
    if notes := {name: value for name, value in notes.items() if value not in (False, None)}:
        note = msgspec.json.encode(notes).decode()
        fit["description"] = f"{fit['description']}\n\n{note}" if fit.get("description") else note
    return fit


def _is_refused(name: str, value: Any) -> bool:
    if name == "minItems":
        return value not in (0, 1)
    return name in _REFUSED or (name == "format" and value not in _FORMATS)


def _is_fit(schema: _Schema) -> bool:
    return (
        schema.get("type") == "object"
        and isinstance(schema.get("properties", {}), dict)
        and isinstance(schema.get("required", []), list)
        and not any(name in schema for name in ("$ref", *_UNIONS))
    )


def _resolved(schema: _Schema, root: Mapping[str, Any]) -> _Schema:
    """The schema with what its own reference refers to in place of the reference."""
    for _ in range(_LONGEST_CHAIN):
        found = _target(schema.get("$ref"), root)
        if found is None:
            return schema
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**found, **rest}
    return schema


def _target(reference: Any, root: Mapping[str, Any]) -> _Schema | None:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else None


def _flat(schema: _Schema, root: Mapping[str, Any]) -> _Schema:
    """The schema with the fields of all its alternatives; required is what each of them requires, or any of `allOf`."""
    for union in _UNIONS:
        variants = schema.pop(union, None)
        if not isinstance(variants, list):
            continue
        objects = [_flat(_resolved(dict(one), root), root) for one in variants if isinstance(one, Mapping)]
        objects = [one for one in objects if isinstance(one.get("properties"), dict) or "required" in one]
        _join(schema, objects, of_all=union == "allOf")
    return schema


def _join(schema: _Schema, objects: Sequence[_Schema], of_all: bool) -> None:
    properties: dict[str, Any] = dict(schema.get("properties") or {})
    for one in objects:
        for name, value in (one.get("properties") or {}).items():
            properties[name] = _either(properties[name], value) if name in properties else value
    if properties:
        schema["properties"] = properties
    required = [frozenset(one.get("required") or ()) for one in objects]
    joined = frozenset().union(*required) if of_all else (required[0].intersection(*required) if required else ())
    if names := [*(schema.get("required") or ()), *(name for name in properties if name in joined)]:
        schema["required"] = list(dict.fromkeys(names))


def _either(first: Any, second: Any) -> Any:
    if first == second:
        return first
    known = first["anyOf"] if isinstance(first, dict) and first.keys() == {"anyOf"} else [first]
    return {"anyOf": [*known, *([] if second in known else [second])]}


def _each(values: Any, depth: int) -> list[Any]:
    return [_one(value, depth) for value in values] if isinstance(values, list) else []


def _one(value: Any, depth: int) -> Any:
    return answer_schema(value, depth + 1) if isinstance(value, Mapping) else value

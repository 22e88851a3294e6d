"""The page docs/configuration.md: its tables, as the settings, the guards and the reading of files make them.

`python -m tests.unit.configuration_page` writes the tables anew.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo, fields

from app.configuration.api_keys import KeyEntry
from app.configuration.entries import Credential, Entry, Info, LimitParams, Params, Prices, Routing
from app.configuration.guards import GUARDS
from app.configuration.sections import GatewaySettings, GeneralSettings, LiteLLMRouterSettings, LiteLLMSettings
from app.configuration.tenants import KeyDefaults, TeamEntry
from app.configuration.upstream import UpstreamParams
from app.settings import Budget, ByteSize, FileMode, PolicySpec, Seconds
from tests.unit.litellm_keys_examples import EXAMPLES, Example, outcome

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
SECTIONS: tuple[tuple[str, type[Struct]], ...] = (
    ("model_list[]", Entry),
    ("model_list[].litellm_params", Params),
    ("model_list[].litellm_params", Routing),
    ("model_list[].litellm_params", LimitParams),
    ("model_list[].litellm_params", UpstreamParams),
    ("model_list[].litellm_params", Prices),
    ("model_list[].model_info", Info),
    ("credential_list[]", Credential),
    ("general_settings", GeneralSettings),
    ("litellm_settings", LiteLLMSettings),
    ("router_settings", LiteLLMRouterSettings),
    ("gateway", GatewaySettings),
    ("gateway.keys[]", KeyEntry),
    ("gateway.keys[].budget", Budget),
    ("gateway.teams.NAME", TeamEntry),
    ("gateway.key_defaults", KeyDefaults),
    ("gateway.policies[]", PolicySpec),
)
"""Where each struct's fields stand in a file. Structs inside `gateway` follow of themselves."""
_HOURS = 7200
"""Seconds from which on a time is told in hours."""
_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Seconds: "seconds",
    ByteSize: "bytes",
    FileMode: "octal digits, as text",
}


def tables() -> str:
    return "\n".join([*_settings(), *_litellm(), *_guards()])


def page() -> str:
    """The page as it should be."""
    written = PAGE.read_text()
    before, _, rest = written.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


def all_sections() -> Iterator[tuple[str, type[Struct]]]:
    """Every section with its struct, those inside others after them."""
    for path, kind in SECTIONS:
        yield path, kind
        yield from _inner(path, kind)


def meanings(kind: type[Struct]) -> dict[str, str]:
    """The docstring of each field that has one."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, statement in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[before.target.id] = " ".join(text.split())
    return found


def _inner(path: str, kind: type[Struct]) -> Iterator[tuple[str, type[Struct]]]:
    for field in fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield f"{path}.{field.name}", field.type
            yield from _inner(f"{path}.{field.name}", field.type)


def _settings() -> Iterator[str]:
    yield "## Every key that is read"
    for path, kind in all_sections():
        texts = meanings(kind)
        yield from ("", f"### `{path}`", "", _sentence(kind), "")
        yield from ("| key | value | default | meaning |", "| --- | --- | --- | --- |")
        for field in fields(kind):
            cells = (f"`{field.name}`", _value(field.type), _default(field), texts.get(field.name, ""))
            yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _sentence(kind: type[Struct]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _value(kind: Any) -> str:
    """What may be written, with its unit."""
    if kind in _WORDS:
        return _WORDS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if metadata := getattr(kind, "__metadata__", ()):
        return _value(kind.__origin__) + "".join(_bounds(one) for one in metadata if isinstance(one, Meta))
    if origin in (list, tuple):
        inner = next((one for one in arguments if one is not ...), Any)
        return "list" if inner is Any else f"list of {_value(inner)}"
    if origin is dict:
        return "mapping"
    if arguments:
        return " or ".join(_value(one) for one in arguments if one is not type(None))
    return "mapping" if isinstance(kind, type) and issubclass(kind, Struct) else "any"


def _bounds(meta: Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f", {meta.ge:g} to {meta.le:g}"
    if meta.gt is not None:
        return f", more than {meta.gt:g}"
    return f", at least {meta.ge:g}" if meta.ge is not None else ""


def _default(field: FieldInfo) -> str:
    if field.default is NODEFAULT and field.default_factory is NODEFAULT:
        return "must be set"
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    match value:
        case Struct():
            return "see below"
        case None | () | [] | {}:
            return "none"
        case bool():
            return "true" if value else "false"
        case Seconds():
            return f"{value / 3600:g} h" if value >= _HOURS else f"{value:g} s"
        case ByteSize():
            return _size(value)
        case FileMode():
            return f"`{value:04o}`"
        case int() | float():
            # A port is a name, not a quantity.
            return str(value) if field.name.endswith("port") else f"{value:,}"
        case tuple():
            return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`"


def _size(size: int) -> str:
    unit, factor = next(each for each in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)) if size % each[1] == 0)
    return f"{size // factor} {unit}"


def _litellm() -> Iterator[str]:
    yield from ("", "## LiteLLM's most used keys", "")
    yield "Each line is what `flowspan check` says of a file with that key."
    yield from ("", "| key | for example | here | |", "| --- | --- | --- | --- |")
    for example in EXAMPLES:
        kind, text = outcome(example)
        written = f"{example.key.rpartition('.')[2]}: {example.value}"
        yield f"| `{example.key}` | `{written}` | {kind} | {(text or does(example)).replace('|', '/')} |"


def does(example: Example) -> str:
    """What a key does that is read: the meaning of the setting, or the example's own words."""
    if example.does:
        return example.does
    section, _, key = example.key.rpartition(".")
    texts = [meanings(kind).get(key, "") for path, kind in SECTIONS if path.replace("[]", "") == section]
    return next(filter(None, texts), "")


def _guards() -> Iterator[str]:
    yield from (
        "",
        "## Guards",
        "",
        "A file that has one of these is refused, unless `gateway.ignore` names the key.",
        "",
    )
    yield from ("| key | LiteLLM | instead |", "| --- | --- | --- |")
    for key, guard in GUARDS.items():
        yield f"| `{key}` | {guard.what} | {guard.instead or 'nothing does the same'} |"


if __name__ == "__main__":
    PAGE.write_text(page())

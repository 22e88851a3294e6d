"""The page docs/providers.md: its tables, as the rows of `app.providers` make them.

`python -m tests.unit.providers_page` writes the tables anew.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from app.providers import DIRECT, PROVIDERS, Provider, Quirks

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
APIS = {"openai": "OpenAI's", "anthropic": "Anthropic's"}
RESPONSES = {"none": "", "offered": "yes", "only": "yes, alone", "unknown": "found out"}
OPERATIONS = {"text_completion": "no legacy completions", "embeddings": "no embeddings"}


def tables() -> str:
    direct = [row for row in PROVIDERS.values() if row.backend in DIRECT]
    by_litellm = [row for row in PROVIDERS.values() if row.backend == "litellm"]
    return "\n".join(
        [
            "## Asked directly",
            "",
            "| prefix | name in telemetry | API | address | variable of the key | Responses API | beside that |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *map(_direct, direct),
            "",
            "## Asked through LiteLLM",
            "",
            "| prefix | name in telemetry | beside that |",
            "| --- | --- | --- |",
            *(f"| `{row.prefix}/` | `{row.name}` | {'; '.join(_facts(row))} |" for row in by_litellm),
            "",
            "## What is changed in requests, and why",
            "",
            "| prefix | at or for | what it gets | why | source |",
            "| --- | --- | --- | --- | --- |",
            *(line for row in PROVIDERS.values() for line in _changes(row)),
        ]
    )


def page() -> str:
    """The page as it should be."""
    written = PAGE.read_text()
    before, _, rest = written.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


def _direct(row: Provider) -> str:
    address = f"`{row.base_url}`" if row.base_url else "that of `api_base`"
    key = f"`{row.key_variable}`" if row.key_variable else ""
    api = APIS.get(row.backend, row.backend)
    cells = (f"`{row.prefix}/`", f"`{row.name}`", api, address, key, RESPONSES[row.responses], "; ".join(_facts(row)))
    return f"| {' | '.join(cells)} |"


def _facts(row: Provider) -> Iterator[str]:
    if row.bare_models:
        yield f"without a prefix: {_listed(f'{start}*' for start in row.bare_models)}"
    if (models := row.first_party) is not None:
        yield f"at its own address: the Responses API, and alone for {_with_star(models.responses_only)}"
        yield f"through LiteLLM: {_with_star(models.completions_only)}"
    yield from (text for operation, text in OPERATIONS.items() if operation not in row.operations)
    if row.variables:
        yield f"{_listed(row.variables)} from {_listed(row.variables.values())}"
    if row.api_versions is not None:
        yield f"`api_version` {row.api_versions.default} unless it is set"
    if row.litellm_params:
        yield f"through LiteLLM: deployments with {_listed(sorted(row.litellm_params))}"
    if row.sells_claude:
        yield "Anthropic's models in Anthropic's form"
    if row.hosts:
        yield f"also at {_listed(row.hosts)}"


def _changes(row: Provider) -> Iterator[str]:
    for subject, quirks in _all_quirks(row):
        for field in fields(quirks):
            if field.name in quirks.stated():
                text = field.metadata["text"].replace("{}", _value(getattr(quirks, field.name)))
                cells = (f"`{row.prefix}/`", subject, text, field.metadata["why"], f"<{quirks.sources[field.name]}>")
                yield f"| {' | '.join(cells)} |"


def _all_quirks(row: Provider) -> Iterator[tuple[str, Quirks]]:
    yield "", row.quirks
    for patterns, quirks in row.model_quirks:
        yield _listed(patterns), quirks
    if row.quirks_elsewhere is not None:
        yield "other addresses", row.quirks_elsewhere
    if row.compatible is not None:
        yield f"`openai/` at {_listed(row.hosts)}", row.compatible


def _value(value: object) -> str:
    match value:
        case frozenset():
            return _listed(sorted(value))
        case (float(low), float(high)):
            return f"{low:g} to {high:g}"
        case tuple():
            return ", ".join(f"`{new}` for `{old}`" for old, new in value)
        case _:
            return str(value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _with_star(parts: Iterable[str]) -> str:
    return _listed(f"*{part}*" for part in parts)


if __name__ == "__main__":
    PAGE.write_text(page())

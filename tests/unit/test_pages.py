"""Pages and docstrings name files and modules that are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from scripts.house import docstrings
from tests.unit.sources import modules

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "dashboards" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
    *sorted((ROOT / "docs" / "deploy").glob("*.md")),
    *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
    *sorted((ROOT / "tests").glob("*/README.md")),
    ROOT / "tests" / "README.md",
]
_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+/?)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_ANCHOR = re.compile(r"\]\(([^)#:]*)#([\w-]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_PACKAGES = sorted(path.parent.name for path in (ROOT / "app").glob("*/__init__.py"))
_MODULE = re.compile(r"(?<![\w.@/])((?:app|telemetry|dashboards)(?:\.[a-z_]\w*)+)")
_IN_MAP = re.compile(rf"(?<![\w.])((?:{'|'.join(_PACKAGES)})(?:\.[a-z_]+)+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    bases = (ROOT, ROOT / "app", page.parent)
    named = [name for name in _PATH.findall(text) if not re.search("NAME|MODEL", name)]
    missing = [name for name in named if not any((base / name).exists() for base in bases)]
    missing += [link for link in _LINK.findall(text) if not (page.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_section_that_a_page_links_to_exists(page: Path) -> None:
    linked = [
        (page.parent / file if file else page, anchor) for file, anchor in _ANCHOR.findall(page.read_text("utf-8"))
    ]

    assert [f"{file}#{anchor}" for file, anchor in linked if anchor not in _anchors(file)] == []


def test_every_module_that_a_docstring_names_exists() -> None:
    missing = [
        f"{path}:{line}: {name}"
        for path, tree in modules()
        for line, text in docstrings(tree)
        for name in _MODULE.findall(text)
        if not _exists(name)
    ]

    assert missing == []


def test_every_module_in_the_map_of_the_gateway_exists() -> None:
    named = _IN_MAP.findall(app.__doc__ or "")

    assert len(named) > 10
    assert [name for name in named if not _exists(f"app.{name}")] == []


def _anchors(page: Path) -> set[str]:
    """The sections of a page, as GitHub makes anchors of their headings."""
    headings = _HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _exists(name: str) -> bool:
    """Whether a module has this name, or defines it."""
    *parents, last = name.split(".")
    return any(_files(name)) or any(last in path.read_text("utf-8") for path in _files(".".join(parents)))


def _files(module: str) -> Iterator[Path]:
    path = ROOT.joinpath(*module.split("."))
    return (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())

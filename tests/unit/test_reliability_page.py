"""Every promise of docs/reliability.md names a test, and each of those tests exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reliability.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_ROW = re.compile(r"^\| (?!promise|---)(?P<promise>.+?) \| (?P<tests>.+?) \|$", re.MULTILINE)


def test_every_promise_names_a_test() -> None:
    rows = list(_ROW.finditer(PAGE.read_text()))
    assert len(rows) > 40
    assert [row["promise"] for row in rows if not _TEST.search(row["tests"])] == []


def test_every_test_that_is_named_exists() -> None:
    named = _TEST.findall(PAGE.read_text())
    missing = [f"{path}::{name}" for path, name in named if not _exists(ROOT / path, name)]
    assert missing == []


def _exists(path: Path, name: str) -> bool:
    if not path.exists():
        return False
    return not name or re.search(rf"^(?:async )?def {name}\(", path.read_text(), re.MULTILINE) is not None

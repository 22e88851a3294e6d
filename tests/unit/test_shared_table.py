import subprocess
import sys
from pathlib import Path

import pytest

from app.shared_table import SharedTable, TableFull

_ADDS = """
import sys
from pathlib import Path
from app.shared_table import SharedTable
table = SharedTable(2, 16, Path(sys.argv[1]))
for _ in range(5000):
    with table:
        at = table.row("streams")
        table.numbers[at + 1] += 1
"""


def test_a_row_keeps_its_place_and_begins_with_zeros() -> None:
    table = SharedTable(2, 8)
    with table:
        first, second = table.row("a"), table.row("b")
        table.numbers[first] = 1.5
        assert table.row("a") == first != second
        assert list(table.numbers[second : second + 2]) == [0, 0]
    table.close()


def test_a_name_too_many_is_refused() -> None:
    table = SharedTable(1, 2)
    with table:
        table.row("a"), table.row("b")
        with pytest.raises(TableFull):
            table.row("c")


def test_processes_count_together_and_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "table"
    processes = [subprocess.Popen([sys.executable, "-c", _ADDS, str(file)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    table = SharedTable(2, 16, file)
    with table:
        assert table.numbers[table.row("streams") + 1] == 15_000
    table.close()


def test_the_rows_that_any_process_has_made_are_known(tmp_path: Path) -> None:
    one, other = (SharedTable(2, 16, tmp_path / "t") for _ in range(2))
    with one:
        made = {one.row(name) for name in ("a", "b", "c")}
    with other:
        assert set(other.made()) == made

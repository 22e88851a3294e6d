"""One table for all cases: its gateways start once."""

from collections.abc import Iterator

import pytest

from tests.oddities.table import Table, running_table


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    with running_table() as running:
        yield running

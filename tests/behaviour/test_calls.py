"""How many of Python's functions a request and a chunk call: what they cost, as a figure that no busy machine changes.

A change that goes beyond a limit has made every request dearer. `python -m bench.counts --functions` tells where.
"""

import pytest

from bench.counts import RowCounts, counts
from bench.rows import BY_NAME

REQUEST, STREAM, CHUNK = 380, 730, 29
"""What was counted last, and some in a hundred more: 3 for a request, which hardly varies; on a machine that is busy a
stream waits more often, and calls some 10 in a hundred more."""


@pytest.fixture(scope="module")
def found() -> RowCounts:
    return counts(BY_NAME["flowspan"], scale=0.2)


def test_a_small_request_calls_no_more_functions_than_allowed(found: RowCounts) -> None:
    assert 300 < found.request.calls < REQUEST


def test_a_stream_calls_no_more_functions_than_allowed(found: RowCounts) -> None:
    assert 300 < found.stream.calls < STREAM
    assert 5 < found.chunk.calls < CHUNK


def test_the_figures_name_the_functions(found: RowCounts) -> None:
    entered = {name.rpartition(" ")[2]: count for name, count in found.request.python.items()}
    assert entered["Exchange.__init__"] == entered["ObservabilityContext.finish"] == 1


def test_a_request_leaves_nothing_to_the_garbage_collector(found: RowCounts) -> None:
    assert found.request.collected < 1

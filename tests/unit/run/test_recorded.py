from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from app.recorder.opening import open_store
from app.recorder.recording import Piece
from app.recorder.stores import Store
from app.run.recorded import recorded
from app.settings import RecorderSettings
from tests import recordings
from tests.oddities.table import messages_events
from tests.upstream import Body

_CALL = messages_events(({"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}, []), stop="tool_use")
_ANSWER = tuple(Piece(0.1, step.data) for step in _CALL if isinstance(step, Body))
_COUNT = 130
"""More than one page of the list."""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    made = open_store(RecorderSettings(store="memory"))
    made.write([replace(recordings.recorded(number), answer=_ANSWER) for number in range(_COUNT)])
    made.write([recordings.recorded(_COUNT + number, outcome="upstream_error") for number in range(5)])
    yield made
    made.close()


def test_the_tools_of_all_answers_are_named_and_the_last_failures_explained(store: Store) -> None:
    found = recorded(store, recordings.EPOCH)
    assert found.tools == ("Read",) * _COUNT
    assert (len(found.failures), found.read) == (1, None)


def test_what_was_recorded_before_is_of_another_session(store: Store) -> None:
    assert len(recorded(store, recordings.EPOCH + 100).tools) == _COUNT - 100


def test_nobody_waits_long_for_the_end_of_a_long_session(store: Store) -> None:
    found = recorded(store, recordings.EPOCH, limit=-1)
    assert (found.tools, found.read) == ((), 0)

"""Whose turn it is, of those who wait."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.admission.fair_queue import FairQueue


def _queue(*items: str, size: int = 100) -> FairQueue[str]:
    """`a1` is an item of caller `a`; `a1!5` one with the priority 5."""
    queue: FairQueue[str] = FairQueue(size)
    for item in items:
        name, _, priority = item.partition("!")
        queue.add(item, name[0], int(priority or 0))
    return queue


def _drained(queue: FairQueue[str], under_way: dict[str, int] | None = None) -> list[str]:
    found = []
    while (item := queue.first(under_way or {})) is not None:
        queue.served(item)
        found.append(item)
    return found


def test_one_caller_is_served_in_the_order_of_arrival() -> None:
    assert _drained(_queue("a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_callers_take_turns_however_much_each_asks() -> None:
    assert _drained(_queue("a1", "a2", "a3", "a4", "b1", "b2", "c1")) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_a_greater_priority_goes_first() -> None:
    assert _drained(_queue("a1", "b1!5", "a2!5", "c1!-1")) == ["b1!5", "a2!5", "a1", "c1!-1"]


def test_who_has_the_fewest_under_way_goes_first() -> None:
    assert _drained(_queue("a1", "b1", "c1"), {"a": 2, "b": 1}) == ["c1", "b1", "a1"]


def test_an_item_that_leaves_is_not_served() -> None:
    queue = _queue("a1", "a2", "b1")
    assert queue.remove("a1")
    assert not queue.remove("a1")
    assert _drained(queue) == ["a2", "b1"]
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("items", "caller", "priority", "displaced"),
    [
        (("a1", "a2", "a3"), "b", 0, "a3"),
        (("a1", "a2", "b1"), "b", 0, None),
        (("a1", "a2", "a3", "b1"), "b", 0, "a3"),
        (("a1", "a2"), "a", 0, None),
        (("a1", "b1"), "c", 0, None),
        (("a1!5", "b1"), "a", 5, "b1"),
        (("a1!5", "b1!5"), "c", 0, None),
        (("a1", "a2", "b1"), "b", 1, "a2"),
    ],
)
def test_the_last_of_a_flood_gives_its_room(
    items: tuple[str, ...], caller: str, priority: int, displaced: str | None
) -> None:
    queue = _queue(*items, size=len(items))
    assert queue.is_full
    assert queue.displaced_by(caller, priority) == displaced


def test_how_many_are_certain_to_be_served_before() -> None:
    queue = _queue("a1", "a2", "a3", "b1", "c1!5")
    assert queue.ahead_of("a", 0, 0) == 5
    assert queue.ahead_of("d", 0, 0) == 1
    assert queue.ahead_of("d", 9, 0) == 0
    assert queue.ahead_of("a", 0, 1) == 4


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=40), st.data())
def test_nobody_is_lost_or_served_twice_and_turns_are_fair(
    arrivals: list[tuple[str, int]], data: st.DataObject
) -> None:
    queue: FairQueue[int] = FairQueue(100)
    waiting: dict[int, tuple[str, int]] = {}
    for number, (caller, priority) in enumerate(arrivals):
        queue.add(number, caller, priority)
        waiting[number] = caller, priority
    for number in data.draw(st.lists(st.sampled_from(range(len(arrivals) or 1)), max_size=10)):
        assert queue.remove(number) == (waiting.pop(number, None) is not None)
    served: Counter[tuple[str, int]] = Counter()
    while (item := queue.first({})) is not None:
        caller, priority = waiting[item]
        assert priority == max(level for _, level in waiting.values())
        # Whoever still waits has had at least as many turns as the one that is served now has had before.
        assert all(
            served[other, level] >= served[caller, priority] - (other == caller)
            for other, level in waiting.values()
            if level == priority
        )
        queue.served(item)
        del waiting[item]
        served[caller, priority] += 1
    assert not waiting
    assert len(queue) == 0

"""Flow's picture: every stream, breaker and outcome is in it, or counted."""

import re

import pytest

from app.console.flow_picture import RecentOutcomes, picture_of
from app.live_view.frame import Frame, RateWindow
from tests.unit.console.browser import Browser
from tests.unit.live_view.frames import frame, good_end


def _fragment(now: Frame, *, records: bool = True, before: Frame | None = None) -> str:
    rates, recent = RateWindow(), RecentOutcomes()
    if before is not None:
        rates.add(before)
        recent.add(before)
    picture = picture_of(now, rates.add(now), recent.add(now))
    return Browser().console.pages.fragment("flow_picture.html", picture=picture, fault="", records=records)


def test_streams_and_breakers_beyond_their_room_are_counted() -> None:
    page = _fragment(frame(streams=30))
    assert page.count('<tr id="s-') == 8
    assert "and 22 more" in page
    assert page.index("east") < page.index("west") < page.index("queue:sse")


def test_outcomes_add_up_and_lead_to_their_transactions() -> None:
    before = frame(at=1000.0, outcomes={"ok": 30})
    page = _fragment(frame(at=1059.5, outcomes={"ok": 40, "overflow": 2}), before=before)
    rows = re.findall(r'<tr (?:id="o-(\w+)"|class="sum").*?number">(\d+)</td><td class="number">(\d+)', page, re.DOTALL)
    assert rows == [("ok", "10", "40"), ("overflow", "2", "2"), ("", "12", "42")]
    assert "last minute" in page
    assert 'href="/transactions?outcome=overflow"' in page
    assert "/transactions?outcome" not in _fragment(frame(), records=False)


def test_nobody_is_told_of_the_last_moments_who_has_only_begun_to_look() -> None:
    page = _fragment(frame(at=1000.0, outcomes={"ok": 40}))
    assert "lately" in page
    assert re.search(r'class="number">–</td><td class="number">40<', page)


def test_the_last_minute_forgets() -> None:
    recent = RecentOutcomes()
    recent.add(frame(at=1000.0, outcomes={"ok": 30}))
    recent.add(frame(at=1030.0, outcomes={"ok": 35}))
    assert recent.add(frame(at=1070.0, outcomes={"ok": 47})).outcomes["ok"] == 12


def test_moments_are_newest_first_once_each_and_lead_to_their_transactions() -> None:
    page = _fragment(frame(ends=(good_end(1090.0),)))
    ids = re.findall(r'<li id="(m-[^"]+)"', page)
    assert len(ids) == len(set(ids)) == 14
    assert page.index("chat: 12") < page.index("breaker b29") < page.index("breaker b28")
    assert 'href="/transactions/txn_good"' in page
    assert 'href="/transactions/txn_good"' not in _fragment(frame(ends=(good_end(),)), records=False)


@pytest.mark.parametrize(("fullest", "tone"), [(2, ""), (9, "warning"), (14, "bad")])
def test_a_queue_that_fills_is_alarming(fullest: int, tone: str) -> None:
    now = frame()
    now.snapshot.queues["sse"] = type(now.snapshot.queues["sse"])(depth=40, bytes=1, fullest=fullest, capacity=16)
    picture = picture_of(now, RateWindow().add(now), RecentOutcomes().add(now))
    (queue,) = [one for one in picture.stations if one.name == "sse"]
    assert (queue.tone, queue.figure) == (tone, str(fullest))


def test_who_waits_for_a_deployment_stands_before_the_provider() -> None:
    page = _fragment(frame(admission={"east": 2, "west": 9, "north": 0, "south": 1, "far": 1}))
    assert page.index('id="at-admission"') < page.index('id="at-provider"')
    assert "13</span>" in page
    assert "west: 9, east: 2, south: 1 and 1 more" in page
    assert "deployments have room" in _fragment(frame(admission={"east": 0}))
    assert "at-admission" not in _fragment(frame())


def test_hostile_names_are_inert() -> None:
    page = _fragment(frame(model="<img src=x onerror=alert(1)>\x1b[2J\u202e{}"))
    assert "<img src=x" not in page
    assert not re.search("[\x1b\u202e]", page)


def test_a_gateway_that_does_not_move_is_told() -> None:
    assert "The gateway does not move" in Browser().get("/").text

import pytest

from app.demo.gateway.log_tail import Moment
from app.demo.view.frame import Frame, RateWindow, Totals
from app.demo.view.ledger_bar import duration, ledger_bar
from app.demo.view.live import in_words
from app.demo.view.screen import draw
from telemetry import QueueView, Snapshot, StreamView
from telemetry.names import OUTCOMES, WHERE, Outcome, Where

NOTHING: dict[Where, float] = dict.fromkeys(WHERE, 0.0)
OUTCOME_COUNTS: dict[Outcome, int] = {**dict.fromkeys(OUTCOMES, 0), "ok": 40, "overflow": 2}


def frame(streams: int = 9, moments: int = 30) -> Frame:
    views = tuple(
        StreamView(f"txn_{n}", "openai_chat", f"model-{n}", float(n), "client", {"policy_out": n, "sse": 16})
        for n in range(streams)
    )
    queues = {name: QueueView(depth=12, bytes=900, fullest=8, capacity=16) for name in ("policy_out", "sse")}
    breakers = {"queue:policy_out": "closed", "queue:sse": "closed", "east": "open", "west": "half_open"}
    snapshot = Snapshot(51, {"openai_chat": streams}, views, queues, breakers, OUTCOME_COUNTS, NOTHING)
    rates = RateWindow()
    rates.add(Totals(0.0, 0, 0, 0, NOTHING))
    now = rates.add(Totals(2.0, 20, 800, 64_000, {**NOTHING, "upstream": 3.0, "client": 1.0}))
    transaction = tuple(Moment("12:00:00", "bad", f"moment {n}") for n in range(moments))
    return Frame(snapshot, now, transaction, 61.0, "http://127.0.0.1:1", "http://127.0.0.1:2/metrics", "redact", 3)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40), (160, 50)])
def test_a_picture_fills_its_screen_and_no_more(width: int, height: int) -> None:
    lines = draw(frame(), width, height).plain.split("\n")
    assert len(lines) == height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("size", [(20, 5), (60, 12), (79, 23)])
def test_a_small_screen_gets_less_and_no_error(size: tuple[int, int]) -> None:
    width, height = size
    lines = draw(frame(), width, height).plain.split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_the_picture_of_an_idle_gateway_can_be_drawn() -> None:
    assert "streams in flight: 0" in draw(frame(streams=0, moments=0), 80, 24).plain


def test_rates_are_those_of_the_window() -> None:
    picture = draw(frame(), 120, 40).plain
    assert "400 ch/s" in picture
    assert "10 req/s" in picture
    assert "32 kB/s" in picture
    assert "upstream 75.0%" in picture


def test_breakers_that_are_not_closed_come_first() -> None:
    picture = draw(frame(), 120, 40).plain
    assert picture.index("east") < picture.index("west") < picture.index("queue:sse")
    assert "half-open" in picture


def test_the_newest_moments_are_shown() -> None:
    picture = draw(frame(), 80, 24).plain
    assert "moment 29" in picture
    assert "moment 0 " not in picture


def test_without_a_terminal_a_line_says_it_in_words() -> None:
    line = in_words(frame())
    assert "10.0 req/s  400 chunks/s  in flight 9" in line
    assert "east:open,west:half_open" in line
    assert "ok 40 overflow 2" in line


def test_every_part_with_any_time_has_a_cell_and_the_bar_its_width() -> None:
    bar = ledger_bar({**NOTHING, "upstream": 1000.0, "policy": 0.001, "client": 1.0}, 50)
    assert len(bar) == 50
    assert set(bar.plain) == {"█", "▓", "▞"}
    assert ledger_bar(NOTHING, 50).plain == ""


def test_durations_have_the_unit_that_suits_them() -> None:
    assert [duration(seconds) for seconds in (0.000012, 0.0123, 1.5, 250)] == ["12 µs", "12.3 ms", "1.50 s", "250 s"]

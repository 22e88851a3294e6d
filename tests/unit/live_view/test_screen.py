import re
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from app.live_view.ledger_bar import ledger_bar
from app.live_view.screen import draw, in_words
from telemetry.names import OUTCOMES, WHERE
from tests.unit.live_view.frames import NOTHING, frame, good_end, picture

SIZES = [(60, 20), (80, 24), (120, 40), (200, 60)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_picture_fills_its_screen_and_no_more(width: int, height: int) -> None:
    lines = draw(picture(), width, height).plain.split("\n")
    assert len(lines) == height
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (60, 12), (79, 23)])
def test_a_small_screen_gets_less_and_no_error(size: tuple[int, int]) -> None:
    width, height = size
    lines = draw(picture(), width, height).plain.split("\n")
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_size_tells_of_streams_queues_breakers_outcomes_time_and_moments(width: int, height: int) -> None:
    text = draw(picture(), width, height).plain
    for part in ("streams in flight: 9", "8/16", "east", "half-open", "ok", "in all", "upstream 75.0%", "breaker b29"):
        assert part in text


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_outcomes_add_up_whatever_fits(width: int, height: int) -> None:
    outcomes = {outcome: 10 ** (at % 4) for at, outcome in enumerate(OUTCOMES)}
    total = sum(outcomes.values())
    text = draw(picture(frame(outcomes=outcomes)), width, height).plain
    counts = [int(count) for name in (*OUTCOMES, "others") for count in re.findall(rf"\b{name}\s+(\d+)", text)]
    assert sum(counts) == total
    assert re.search(rf"in all\s+{total}", text)


def test_the_picture_of_an_idle_gateway_can_be_drawn() -> None:
    assert "streams in flight: 0" in draw(picture(frame(streams=0, moments=0)), 80, 24).plain


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_who_waits_for_a_deployment_with_room_stands_before_the_provider(width: int, height: int) -> None:
    text = draw(picture(frame(admission={"east": 3, "west": 1})), width, height).plain
    assert "4 queued" in text
    assert "●●●●" in text
    assert "queued" not in draw(picture(frame(admission={"east": 0})), width, height).plain


def test_a_line_tells_for_which_deployments_requests_wait() -> None:
    line = in_words(picture(frame(admission={"west": 1, "east": 3, "far": 0})))
    assert "queued for east:3,west:1  breakers" in line


def test_rates_are_those_of_the_window() -> None:
    text = draw(picture(), 120, 40).plain
    assert "400 ch/s" in text
    assert "10 req/s" in text
    assert "32 kB/s" in text


def test_breakers_that_are_not_closed_come_first() -> None:
    text = draw(picture(frame(moments=0)), 120, 40).plain
    assert text.index("east") < text.index("west") < text.index("queue:sse")


def test_good_ends_are_told_of_while_they_are_few() -> None:
    ended = frame(moments=1, ends=(good_end(),))
    assert (
        "chat: 12.3 s, first token 500 ms, 4,210 tokens in, 380 out, $0.0123"
        in draw(picture(ended, busy=False), 100, 30).plain
    )
    assert "4,210" not in draw(picture(ended), 100, 30).plain


def test_what_is_wrong_with_the_feed_takes_the_place_of_the_address() -> None:
    text = draw(picture(notice="the gateway does not answer"), 80, 24).plain
    assert "the gateway does not answer" in text.split("\n")[0]


def test_without_colours_the_marks_and_words_are_there() -> None:
    written = StringIO()
    console = Console(width=80, height=24, no_color=True, force_terminal=True, file=written)
    console.print(draw(picture(), 80, 24))
    printed = written.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", printed)
    assert "✗ breaker b29: open, failure rate" in printed


def test_names_of_strangers_command_no_terminal() -> None:
    for hostile in ("\x1b[2J\x1b]52;c;aGk=\x07", "\u202egnp.exe", "\x9b31m"):
        text = draw(picture(frame(model=hostile, ends=(good_end(model=hostile),)), busy=False), 120, 40).plain
        assert text.replace("\n", "").isprintable()


def test_without_a_terminal_a_line_says_it_in_words() -> None:
    line = in_words(picture())
    assert "10.0 req/s  400 chunks/s  in flight 9" in line
    assert "east:open,west:half_open" in line
    assert "ok 40 overflow 2" in line


def test_every_part_with_any_time_has_a_cell_and_the_bar_its_width() -> None:
    bar = ledger_bar({**NOTHING, "upstream": 1000.0, "policy": 0.001, "client": 1.0}, 50)
    assert len(bar) == 50
    assert set(bar.plain) == {"█", "▓", "▞"}
    assert ledger_bar(dict.fromkeys(WHERE, 0.0), 50).plain == ""

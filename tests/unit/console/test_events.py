"""Events that the console sends are read as they were meant, whatever the texts in them."""

from app.console.events import event
from app.live_view.speech import Speech, decode_event, encode_event


def test_lines_of_an_event_end_where_its_readers_see_an_end() -> None:
    assert event("frame", "one\r\ntwo\rthree\n") == "event: frame\ndata: one\ndata: two\ndata: three\ndata: \n\n"
    assert event("gone", "") == "event: gone\ndata: \n\n"


def test_a_text_with_line_ends_of_unicode_stays_one_line() -> None:
    speech = Speech(turn="txn_1", block=0, role="user", kind="text", text="a\u2028b\u2029c\x85d\ne")
    head, data, *rest = event("speech", encode_event(speech)).split("\n")

    assert (head, rest) == ("event: speech", ["", ""])
    assert decode_event(data.removeprefix("data: ")) == speech

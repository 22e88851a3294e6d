import json

import pytest

from app.live_view.frame import NoFrame, OtherVersion, RateWindow, decode_frame, encode_frame
from tests.unit.live_view.frames import NOTHING, frame, good_end


def test_a_frame_is_the_same_after_its_way() -> None:
    sent = frame(ends=(good_end(),))
    assert decode_frame(encode_frame(sent)) == sent


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b"{}", b'{"version": "one"}', b"\xff"])
def test_what_is_no_frame_is_refused(text: bytes) -> None:
    with pytest.raises(NoFrame):
        decode_frame(text)


def test_a_frame_of_another_version_is_refused_by_that_name() -> None:
    with pytest.raises(OtherVersion, match="version 2"):
        decode_frame(b'{"version": 2}')
    other = json.loads(encode_frame(frame()))
    del other["snapshot"]["queues"]
    with pytest.raises(OtherVersion, match="queues"):
        decode_frame(json.dumps(other))


def test_rates_are_over_the_last_seconds_only() -> None:
    window = RateWindow()
    rates = [window.add(frame(at, opened=count)) for at, count in ((0.0, 0), (10.0, 500), (12.0, 520))]
    assert [rate.requests for rate in rates] == [0, 0, 10]


def test_rates_begin_anew_with_another_start_of_the_gateway() -> None:
    window = RateWindow()
    window.add(frame(1.0, opened=500, seconds={**NOTHING, "client": 9.0}))
    restarted = json.loads(encode_frame(frame(2.0, opened=3)))
    restarted["about"]["instance"] = "second"
    rates = window.add(decode_frame(json.dumps(restarted)))
    assert rates.requests == 0
    assert min(rates.shares.values()) == 0

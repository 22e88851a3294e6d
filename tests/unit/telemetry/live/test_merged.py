"""Several snapshots as one: sums, and never a count that falls."""

from dataclasses import replace

from telemetry import QueueView, Snapshot, StreamView
from telemetry.live.merged import SnapshotSums, merged
from telemetry.live.moments import KEPT_MOMENTS, BreakerChanged
from telemetry.live.streams import STREAM_LIMIT
from tests.unit.telemetry.fakes import Bench

EMPTY = Bench().telemetry.snapshot()


def stream(id: str, seconds: float) -> StreamView:
    return StreamView(id, "openai_chat", "m", seconds, "upstream", {})


def moment(at: float) -> BreakerChanged:
    return BreakerChanged(at=at, transaction_id="t", breaker="b", from_state="closed", to_state="open", reason="r")


def snapshot(opened: int, state: str, moments: range) -> Snapshot:
    return replace(
        EMPTY,
        opened=opened,
        in_flight={"openai_chat": opened},
        streams=tuple(stream(f"{opened}-{at}", at) for at in range(STREAM_LIMIT)),
        queues={"sse": QueueView(opened, 10 * opened, opened, 100)},
        breakers={"b": state},
        outcomes={**EMPTY.outcomes, "ok": opened},
        seconds={**EMPTY.seconds, "upstream": float(opened)},
        waiting={"upstream": opened},
        chunks_in=opened,
        bytes_out=opened,
        moments=tuple(moment(at) for at in moments),
    )


def test_one_snapshot_stays_as_it_is() -> None:
    one = Bench()
    obs = one.open()
    obs.describe(model="chat")
    before = one.telemetry.snapshot()
    assert merged([before]) == before
    obs.finish("ok", status=200)
    assert merged([one.telemetry.snapshot()]) == one.telemetry.snapshot()


def test_two_are_added_and_of_streams_and_moments_those_are_kept_that_one_would_keep() -> None:
    both = merged([snapshot(1, "closed", range(0, 200, 2)), snapshot(2, "open", range(1, 200, 2))])
    assert (both.opened, both.chunks_in, both.bytes_out) == (3, 3, 3)
    assert both.in_flight == {"openai_chat": 3}
    assert both.outcomes["ok"] == 3
    assert both.seconds["upstream"] == 3
    assert both.waiting == {"upstream": 3}
    assert both.queues == {"sse": QueueView(3, 30, 2, 100)}
    assert both.breakers == {"b": "open"}
    assert [one.seconds for one in both.streams] == [at // 2 for at in range(199, 99, -1)]
    assert [one.at for one in both.moments] == list(range(200 - KEPT_MOMENTS, 200))


def test_what_a_process_had_counted_goes_on_counting_and_what_it_did_ends_with_it() -> None:
    sums = SnapshotSums()
    one, other = snapshot(1, "closed", range(1)), snapshot(2, "closed", range(1))
    assert sums.add({10: one, 11: other}, [10, 11]).opened == 3
    # One that does not answer in time is as it was.
    assert sums.add({11: other}, [10, 11]) == sums.add({10: one, 11: other}, [10, 11])
    after = sums.add({11: other}, [11])
    assert after.opened == 3
    assert after.outcomes["ok"] == 3
    assert after.in_flight == {"openai_chat": 2}
    assert sums.add({11: other, 12: one}, [11, 12]).opened == 4

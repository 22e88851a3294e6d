"""Frames made by hand, for tests to change one thing of."""

from collections.abc import Mapping

from app.live_view.frame import About, Frame, RateWindow
from app.live_view.screen import Picture
from telemetry import QueueView, Snapshot, StreamView
from telemetry.live.moments import BreakerChanged, Ended, Moment
from telemetry.names import OUTCOMES, WHERE, Outcome, Where

NOTHING: dict[Where, float] = dict.fromkeys(WHERE, 0.0)
NO_OUTCOMES: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
SOME_OUTCOMES: dict[Outcome, int] = {"ok": 40, "overflow": 2}
ABOUT = About(
    instance="first",
    release="0.1.0",
    started_at=1000.0,
    policies=("redact",),
    url="http://127.0.0.1:1",
)


def moment(number: int) -> Moment:
    return BreakerChanged(
        at=1000.0 + number,
        transaction_id=f"txn_{number}",
        breaker=f"b{number}",
        from_state="closed",
        to_state="open",
        reason="failure_rate",
    )


def good_end(at: float = 1050.0, model: str = "chat") -> Ended:
    return Ended(
        at=at,
        transaction_id="txn_good",
        model=model,
        outcome="ok",
        status=200,
        duration_s=12.34,
        ttft_s=0.5,
        input_tokens=4210,
        output_tokens=380,
        cost_usd=0.0123,
    )


def frame(
    at: float = 1061.0,
    *,
    streams: int = 9,
    moments: int = 30,
    opened: int = 51,
    chunks_in: int = 0,
    bytes_out: int = 0,
    seconds: Mapping[Where, float] = NOTHING,
    outcomes: Mapping[Outcome, int] = SOME_OUTCOMES,
    ends: tuple[Ended, ...] = (),
    model: str = "model-{}",
    admission: Mapping[str, int] | None = None,
) -> Frame:
    views = tuple(
        StreamView(f"txn_{n}", "openai_chat", model.format(n), float(n), "client", {"policy_out": n, "sse": 16})
        for n in range(streams)
    )
    queues = {name: QueueView(depth=12, bytes=900, fullest=8, capacity=16) for name in ("policy_out", "sse")}
    breakers = {"queue:policy_out": "closed", "queue:sse": "closed", "east": "open", "west": "half_open"}
    counts = NO_OUTCOMES | dict(outcomes)
    snapshot = Snapshot(
        opened=opened,
        in_flight={"openai_chat": streams},
        streams=views,
        queues=queues,
        breakers=breakers,
        outcomes=counts,
        seconds=dict(seconds),
        waiting={"client": streams, **({"admission": sum(admission.values())} if admission else {})},
        chunks_in=chunks_in,
        bytes_out=bytes_out,
        moments=tuple(moment(number) for number in range(moments)),
        ends=ends,
        admission=admission or {},
    )
    return Frame(about=ABOUT, at=at, snapshot=snapshot)


def picture(now: Frame | None = None, *, busy: bool = True, notice: str = "") -> Picture:
    """A picture of a gateway with ten requests a second, or with one in a while."""
    now = now or frame(opened=71, chunks_in=800, bytes_out=64_000, seconds={**NOTHING, "upstream": 3.0, "client": 1.0})
    rates = RateWindow()
    before = frame(now.at - 2, opened=now.snapshot.opened - (20 if busy else 0))
    rates.add(before)
    hints = ("curl -N http://127.0.0.1:1/v1/chat/completions",)
    return Picture(now, rates.add(now), "flowspan watch", "http://127.0.0.1:2/metrics", 3, hints, notice)

from telemetry.live.moments import (
    KEPT_ENDS,
    KEPT_MOMENTS,
    AttemptRetried,
    BreakerChanged,
    Ended,
    Moments,
    PolicyDecided,
)
from telemetry.names import Outcome
from telemetry.transaction.attempt import AttemptTarget
from tests.unit.telemetry.fakes import Bench


def end(outcome: Outcome, number: int = 0) -> Ended:
    id = f"txn_{number}"
    return Ended(at=float(number), transaction_id=id, model="chat", outcome=outcome, status=200, duration_s=1)


def target(deployment: str) -> AttemptTarget:
    return AttemptTarget(deployment=deployment, provider="openai", model="gpt", model_group="chat")


def test_only_the_newest_are_kept() -> None:
    moments = Moments()
    for number in range(1000):
        moments.ended(end("overflow", number))
    assert [one.at for one in moments.newest_ends()] == list(range(1000 - KEPT_ENDS, 1000))
    assert [one.at for one in moments.newest()] == list(range(1000 - KEPT_MOMENTS, 1000))


def test_good_ends_push_no_other_moment_out() -> None:
    moments = Moments()
    moments.ended(end("timeout"))
    for number in range(1, 1000):
        moments.ended(end("ok", number))
    assert [one.transaction_id for one in moments.newest()] == ["txn_0"]


def test_a_transaction_leaves_its_end_and_what_happened_to_it() -> None:
    bench = Bench()
    obs = bench.open()
    obs.describe(model="chat")
    first = obs.attempts.start(target("east"))
    first.fail("http_503")
    first.end()
    obs.attempts.start(target("west"), retry_of=first)
    obs.breakers.changed("east", "closed", "open", "failure_rate")
    policy = obs.policy("redact")
    for _ in range(5):
        policy.decided("on_content_delta", "redacted")
    bench.clock.advance(2)
    obs.finish("upstream_error", status=502, error_type="http_503", detail="sk-secret-words")
    snapshot = bench.telemetry.snapshot()
    assert [type(moment) for moment in snapshot.moments] == [AttemptRetried, BreakerChanged, PolicyDecided, Ended]
    assert {moment.transaction_id for moment in snapshot.moments} == {obs.transaction_id}
    (last,) = snapshot.ends
    assert (last.outcome, last.status, last.error_type, last.attempts) == ("upstream_error", 502, "http_503", 2)
    assert last.duration_s == 2
    assert last.detail == ""

from telemetry import HttpRequest
from tests.unit.telemetry.fakes import Bench


def test_a_rejection_links_to_the_transaction_that_tripped_the_breaker() -> None:
    bench = Bench()
    culprit = bench.open()
    culprit.breakers.changed("sse", "closed", "open", "failures_in_window")
    culprit.finish("overflow", status=503)
    rejected = bench.telemetry.open("openai_chat", HttpRequest("GET", "/other", {}))
    rejected.breakers.rejected("sse")
    rejected.finish("breaker_open", status=503)
    (link,) = bench.spans()["GET /other"].links
    assert link.context == culprit.span_context
    assert bench.value("flowspan_breaker_trips_total", breaker="sse", reason="failures_in_window") == 1
    assert bench.value("flowspan_breaker_state", breaker="sse", state="open") == 1
    assert bench.value("flowspan_breaker_state", breaker="sse", state="closed") == 0
    assert bench.value("flowspan_breaker_rejections_total", breaker="sse", reason="open") == 1
    assert bench.telemetry.snapshot().breakers == {"sse": "open"}

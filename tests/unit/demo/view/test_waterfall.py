from rich.text import Text

from app.demo.gateway.traces import SpanCollector, traces_of
from app.demo.view.waterfall import waterfall
from tests.unit.demo.cases import Below, good


def lines(width: int = 80) -> list[str]:
    transaction = good().of("slow reader")[0]
    transaction.below.insert(0, Below("flowspan.stage policy_executor", start=100, end=900))
    [trace] = traces_of(transaction.spans(0)).values()
    drawn = waterfall(trace, width)
    assert all(isinstance(line, Text) for line in drawn)
    return [line.plain for line in drawn]


def row(start: str) -> str:
    return next(line for line in lines() if line.startswith(start))


def test_no_line_is_wider_than_asked_for() -> None:
    for width in (80, 100, 160):
        assert max(map(len, lines(width))) <= width


def test_all_spans_share_one_time_axis() -> None:
    whole, queue = row("POST"), row("└ queue policy_out")
    first, last = whole.index("█"), len(whole)
    quarter = (last - first) / 4
    assert abs(queue.index("█") - (first + quarter)) <= 1
    assert abs(len(queue) - (last - quarter)) <= 1


def test_a_row_says_how_long_its_span_took() -> None:
    assert "1.00 s" in row("POST")
    assert "500 ms" in row("└ queue policy_out")


def test_a_queue_tells_its_depth_and_how_long_it_held_back() -> None:
    figures = " ".join(lines())
    assert "deepest 16 of 16" in figures
    assert "waited p50 2.0 ms" in figures
    assert "writer held back 700 ms" in figures


def test_an_event_stands_at_its_offset() -> None:
    event, whole = row("◆ policy.decision redacted"), row("POST")
    middle = (whole.index("█") + len(whole)) / 2
    assert "500 ms" in event
    assert abs(event.rindex("◆") - middle) <= 1


def test_the_ledger_is_added_up_beside_the_duration() -> None:
    assert lines()[-1] == "200.0 + 0.0 + 0.0 + 100.0 + 0.0 + 700.0 = 1000.0 ms; the span lasted 1000.0 ms"


def test_a_collector_keeps_the_newest_spans_and_passes_all_of_them_on() -> None:
    passed: list[str] = []
    collector = SpanCollector(limit=2)
    collector.pass_on = lambda span: passed.append(span.name)
    spans = good().transactions[0].spans(0) + good().transactions[1].spans(1)
    collector.export(spans)
    assert collector.spans() == tuple(spans[-2:])
    assert len(passed) == len(spans)


def test_a_transaction_with_two_server_spans_is_no_trace() -> None:
    transaction = good().transactions[0]
    transaction.servers = 2
    assert traces_of(transaction.spans(0)) == {}

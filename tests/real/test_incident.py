"""One scripted incident on the real stack, and what all of its parts tell of it.

The run takes about two minutes and is made once; `-s` shows what each panel returned, when each alert fired, and one
exemplar on its way to its trace.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dashboards.queries import Query, panels_of, queries_of, read_dashboards
from telemetry.names.events import Event
from telemetry.names.spans import Attribute
from tests.real.incident import EXPECTED, LASTING, OF_THE_MACHINE, Run, configuration, play
from tests.real.prometheus import Prometheus, Series
from tests.real.searches import Line, line_of, search_lines, search_traces
from tests.real.stack import Stack
from tests.real.webhook import Webhook
from tests.receivers import attributes

pytestmark = pytest.mark.timeout(400)

DASHBOARDS = read_dashboards()
QUERIES = list(dict.fromkeys(query for dashboard in DASHBOARDS.values() for query in queries_of(dashboard)))
WITHOUT_NETWORK = (
    "Left of providers' limits",
    "Connections to providers",
    "Time to connect",
    "Requests sent once more",
)
"""Panels that simulated models have nothing for: they open no connection and have no limits."""
WITHOUT_SEVERAL_CALLERS = ("Callers shut out alone",)
"""Panels that an incident with a single caller has nothing for."""
WITHOUT_LOSSES = ("flowspan_recordings_lost_total", 'scope_name="flowspan.recorder"')
"""What a recorder that loses nothing has nothing for; its log tells of losses alone."""
WITHOUT_WORKERS = ("Workers replaced",)
"""Panels that a single process has nothing for."""
WITHOUT_CERTIFICATES = ("Time until a client certificate expires", "Time until the certificate expires")
"""Panels that a gateway without TLS has nothing for."""
WITHOUT_STORE = ("flowspan_quota_state_age_seconds",)
"""What is kept of limits in memory has no age."""
NOT_PLAYED = (*WITHOUT_NETWORK, *WITHOUT_SEVERAL_CALLERS, *WITHOUT_WORKERS, *WITHOUT_CERTIFICATES)
JUDGED = [
    query
    for query in QUERIES
    if not any(title in query.where for title in NOT_PLAYED)
    and not any(text in query.text for text in (*WITHOUT_LOSSES, *WITHOUT_STORE))
]
METRIC_QUERIES = [query for query in JUDGED if query.source == "prometheus"]
SEARCHES = [query for query in JUDGED if query.source != "prometheus"]
PAGED_WITHIN = 10 + 3
"""Ten minutes, and three seconds for the steps on the way. There are four of them: a scrape, a recording, an
evaluation, and the wait for a group. Each takes a second here, which stands for a minute, and a quarter of it there."""
_PLACEHOLDER = re.compile(r"\$\{__field\.labels\.(\w+)\}")
_EXCEPTED = "|".join(("Watchdog", *sorted(OF_THE_MACHINE | LASTING)))
_RECOVERED = f'ALERTS{{alertstate="firing",alertname!~"{_EXCEPTED}"}}'


@dataclass
class Evidence:
    stack: Stack
    run: Run
    spans: list[Span]
    lines: list[Line]
    alerts: dict[str, list[tuple[float, float]]]
    down_at: float

    @property
    def prometheus(self) -> Prometheus:
        return self.stack.prometheus

    @property
    def webhook(self) -> Webhook:
        return self.stack.webhook

    def asked(self, query: str) -> list[Series]:
        """Over all of the run; series without a number are none."""
        found = self.prometheus.range(query, self.run.began, self.run.ended)
        return [series for series in found if series.points]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    with Stack(tmp_path_factory.mktemp("stack"), configuration()) as stack:
        run = asyncio.run(play(stack, lambda: stack.prometheus.value(_RECOVERED) is None))
        alerts = stack.prometheus.firing(run.began)
        lines = [line_of(scope, record) for scope, record in stack.receiver.logs_by_scope()]
        spans = stack.receiver.spans()
        stack.gateway.stop()
        down_at = time.time()
        stack.webhook.wait_for("GatewayDown", "firing", timeout=20)
        yield Evidence(stack, run, spans, lines, alerts, down_at)


def show(line: str) -> None:
    print(line)  # noqa: T201 - for whoever asks with -s


def test_the_clients_met_the_incident(evidence: Evidence) -> None:
    outcomes = Counter(seen.outcome for seen in evidence.run.seen)
    show(f"\nwhat clients saw: {dict(outcomes)}")
    for outcome in ("ok", "upstream_error", "breaker_open", "overflow", "timeout", "client_disconnect", "client_error"):
        assert outcomes[outcome] > 0, outcome


def test_the_right_alerts_fire_and_nothing_else(evidence: Evidence) -> None:
    began = evidence.run.began
    show("\nthe incident, in seconds since its begin; a second stands for a minute")
    show(f"  trouble {evidence.run.trouble_at - began:.0f} .. {evidence.run.calm_at - began:.0f}")
    for alert, spells in sorted(evidence.alerts.items(), key=lambda item: item[1]):
        times = ", ".join(f"{start - began:.0f} .. {end - began:.0f}" for start, end in spells)
        show(f"  {alert:22} {times}")
    fired = set(evidence.alerts)
    assert fired - OF_THE_MACHINE - LASTING == EXPECTED


def test_the_gateway_was_scraped_all_the_time(evidence: Evidence) -> None:
    """A scrape may take too long now and then, on a busy machine. A gateway that often makes it wait has a defect."""
    (up,) = evidence.asked('up{job="flowspan"}')
    (took,) = evidence.asked('scrape_duration_seconds{job="flowspan"}')
    slowest = max(value for _, value in took.points)
    missed = sum(value == 0 for _, value in up.points)
    show(f"\n{missed} of {len(up.points)} scrapes failed; the slowest took {slowest:.2f} s")
    assert missed <= len(up.points) / 20


def test_before_the_trouble_nothing_fires(evidence: Evidence) -> None:
    for alert, spells in evidence.alerts.items():
        assert alert == "Watchdog" or alert in OF_THE_MACHINE or spells[0][0] > evidence.run.trouble_at, alert


def test_every_alert_resolves(evidence: Evidence) -> None:
    for alert, spells in evidence.alerts.items():
        if alert != "Watchdog" and alert not in OF_THE_MACHINE | LASTING:
            assert spells[-1][1] < evidence.run.ended, alert


def test_alertmanager_tells_the_pager_of_what_is_critical_and_that_it_is_over(evidence: Evidence) -> None:
    for alert in ("AvailabilityBurnFast", "BreakerStuckOpen", "ModelUnanswered", "PolicySkipped", "QueueOverflow"):
        notices = [notice for notice in evidence.webhook.notices if notice.alert == alert]
        assert {notice.receiver for notice in notices} == {"pager"}, alert
        assert notices[0].status == "firing", alert
        assert evidence.webhook.has(alert, "resolved"), alert
        assert notices[0].annotations["runbook_url"] == f"docs/runbooks/{alert}.md"


def test_the_first_trip_of_a_fresh_process_reaches_a_person(evidence: Evidence) -> None:
    notices = [notice for notice in evidence.webhook.notices if notice.alert == "BreakerTripped"]
    assert "flaky-east" in {notice.labels["breaker"] for notice in notices}
    assert {notice.receiver for notice in notices} == {"chat"}


def test_a_provider_that_hangs_pages_within_ten_minutes_though_its_breaker_sees_nothing(evidence: Evidence) -> None:
    found = [
        (notice.at, notice.receiver)
        for notice in evidence.webhook.notices
        if (notice.alert, notice.labels.get("model"), notice.status) == ("ModelUnanswered", "hung", "firing")
    ]
    (at, receiver), *_ = found
    show(f"\npaged {at - evidence.run.trouble_at:.1f} s after the provider hung; a second stands for a minute")
    assert receiver == "pager"
    assert at - evidence.run.trouble_at < PAGED_WITHIN
    assert not [
        notice
        for notice in evidence.webhook.notices
        if notice.alert == "BreakerTripped" and "hung" in notice.labels["breaker"]
    ]


def test_the_watchdog_is_heard_all_the_time(evidence: Evidence) -> None:
    times = [notice.at for notice in evidence.webhook.notices if notice.alert == "Watchdog"]
    assert len(times) > 5
    assert {notice.receiver for notice in evidence.webhook.notices if notice.alert == "Watchdog"} == {
        "dead-mans-switch"
    }


def test_a_gateway_that_is_gone_is_told_and_inhibits_the_rest(evidence: Evidence) -> None:
    (first, *_) = [notice for notice in evidence.webhook.notices if notice.alert == "GatewayDown"]
    assert first.at > evidence.down_at
    assert first.receiver == "pager"


@pytest.mark.parametrize("query", METRIC_QUERIES, ids=lambda query: f"{query.kind} {query.where}")
def test_every_query_returns_data(evidence: Evidence, query: Query) -> None:
    found = evidence.asked(query.text)
    moving = sum(1 for series in found if any(value for _, value in series.points))
    show(f"\n{query.kind:10} {query.where:70} {len(found):4} series, {moving:4} of them not only zeros")
    assert found, query.text


@pytest.mark.parametrize("query", [query for query in METRIC_QUERIES if query.exemplar], ids=lambda query: query.where)
def test_exemplars_lead_to_traces_that_were_really_received(evidence: Evidence, query: Query) -> None:
    exemplars = evidence.prometheus.exemplars(query.text, evidence.run.began, evidence.run.ended)
    held = {span.trace_id.hex() for span in evidence.spans}
    leading = [exemplar for exemplar in exemplars if exemplar.trace_id in held]
    show(f"\n{query.where}: {len(leading)} of {len(exemplars)} exemplars lead to a trace that arrived")
    # While the collector was gone, traces were lost, as TelemetryDropping tells.
    assert len(leading) > len(exemplars) / 2 > 0


def test_one_exemplar_followed_to_its_trace(evidence: Evidence) -> None:
    query = next(query for query in METRIC_QUERIES if query.exemplar and "Request duration" in query.where)
    by_trace: dict[str, list[Span]] = {}
    for span in evidence.spans:
        by_trace.setdefault(span.trace_id.hex(), []).append(span)
    exemplars = evidence.prometheus.exemplars(query.text, evidence.run.began, evidence.run.ended)
    exemplar = max(exemplars, key=lambda each: len(by_trace.get(each.trace_id, ())))
    trace = sorted(by_trace[exemplar.trace_id], key=lambda span: span.start_time_unix_nano)
    show(f"\n{exemplar.series['__name__']} {exemplar.value:.3f} s, trace_id {exemplar.trace_id}")
    for span in trace:
        seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        show(f"  {seconds:8.3f} s  {span.name}  {[event.name for event in span.events]}")
    (server,) = [span for span in trace if span.kind == Span.SPAN_KIND_SERVER]
    assert (server.end_time_unix_nano - server.start_time_unix_nano) / 1e9 == pytest.approx(exemplar.value, abs=0.01)


def substitutes(evidence: Evidence, query: Query, panel: dict[str, Any]) -> list[str]:
    """The search as a click on each series of its panel would make it."""
    labels = _PLACEHOLDER.findall(query.text)
    if not labels:
        return [query.text]
    series = [one for target in panel["targets"] for one in evidence.asked(target["expr"])]
    return list(dict.fromkeys(_clicked(query.text, one) for one in series))


def _clicked(text: str, series: Series) -> str:
    return _PLACEHOLDER.sub(lambda found: series.labels.get(found[1], ""), text)


PANELS = {
    f"{dashboard['title'].removeprefix('Flowspan / ')}: {panel['title']}": panel
    for dashboard in DASHBOARDS.values()
    for panel in panels_of(dashboard)
}


@pytest.mark.parametrize("query", SEARCHES, ids=lambda query: f"{query.source} {query.where}")
def test_every_way_to_traces_and_logs_leads_to_some(evidence: Evidence, query: Query) -> None:
    texts = substitutes(evidence, query, PANELS[query.where.partition(" -> ")[0]])
    found = 0
    for text in texts:
        hits = search_traces(text, evidence.spans) if query.source == "tempo" else search_lines(text, evidence.lines)
        found += len(hits)
    show(f"\n{query.source:6} {query.where:80} {found:6} found by {len(texts)} searches")
    assert found, texts


def test_the_service_map_has_what_it_needs(evidence: Evidence) -> None:
    """A SERVER span for the gateway, and CLIENT spans that name whom they ask."""
    servers = {span.span_id for span in evidence.spans if span.kind == Span.SPAN_KIND_SERVER}
    clients = [span for span in evidence.spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert servers
    assert clients
    assert all(attributes(span.attributes)[Attribute.PROVIDER] == "simulated" for span in clients)
    assert evidence.stack.receiver.resources[0]["service.name"] == "flowspan"


def test_the_collector_makes_metrics_of_spans(evidence: Evidence) -> None:
    made: dict[str, set[str]] = {}
    for metric in evidence.stack.receiver.metrics():
        points = metric.sum.data_points or metric.histogram.data_points
        made.setdefault(metric.name, set()).update(pair.key for point in points for pair in point.attributes)
    assert {"traces.span.metrics.calls", "traces.span.metrics.duration"} <= set(made)
    assert {Attribute.OUTCOME, Attribute.API, Attribute.PROVIDER, "span.kind"} <= made["traces.span.metrics.calls"]


def test_boundary_events_arrive_on_spans_and_as_logs(evidence: Evidence) -> None:
    wanted = {value for name, value in vars(Event).items() if name.isupper()} - {Event.CONTENT, Event.EXCEPTION}
    on_spans = {event.name for span in evidence.spans for event in span.events}
    as_logs = {record.event_name for record in evidence.stack.receiver.logs()}
    assert wanted <= on_spans
    assert wanted <= as_logs
    traced = {record.trace_id for record in evidence.stack.receiver.logs() if record.event_name}
    assert traced & {span.trace_id for span in evidence.spans}


def test_log_lines_arrive_with_their_traces(evidence: Evidence) -> None:
    access = [line for line in evidence.lines if line.fields["scope_name"] == "flowspan.access"]
    held = {span.trace_id.hex() for span in evidence.spans}
    assert access
    assert all(re.fullmatch(r"[0-9a-f]{32}", line.fields["trace_id"]) for line in access)
    assert sum(line.fields["trace_id"] in held for line in access) > len(access) / 2


def test_no_secret_of_the_incident_reaches_the_collector(evidence: Evidence) -> None:
    for body in evidence.stack.receiver.bodies:
        assert b"grace.hopper@example.com" not in body


def test_the_gateway_had_no_defect_of_its_own(evidence: Evidence) -> None:
    """What the auditor raises is its own, and a configuration that is refused its operator's; whatever else fails in
    the gateway would be a line of level error."""
    lines = evidence.stack.log("gateway").splitlines()
    others = [line for line in lines if not re.search(r'"logger":"flowspan\.(access|config)"', line)]
    errors = [line for line in others if '"level":"error"' in line]
    assert [line for line in errors if "the audit log is full" not in line] == []

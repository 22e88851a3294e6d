"""What is committed is what the code writes."""

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import reference
from dashboards.__main__ import REFERENCE, as_text
from dashboards.checks import families
from dashboards.generator import build
from dashboards.promql import family, selectors
from dashboards.queries import GRAFANA, read_dashboards, read_queries
from telemetry.names.events import EVENTS, Event
from telemetry.names.metrics import METRICS, SUCCESSORS
from telemetry.names.spans import ATTRIBUTES, TIME, Attribute

_AGAIN = "run `python -m dashboards`"
BUILT = build()


def test_no_dashboard_is_left_over_or_missing() -> None:
    assert {path.name for path in GRAFANA.iterdir()} == set(BUILT)


@pytest.mark.parametrize("name", sorted(BUILT))
def test_the_committed_dashboard_is_the_generated_one(name: str) -> None:
    assert (GRAFANA / name).read_text() == as_text(BUILT[name]), _AGAIN


@pytest.mark.parametrize("name", sorted(BUILT))
def test_grafanas_own_types_read_the_committed_dashboard(name: str) -> None:
    read = Dashboard.from_json(read_dashboards()[name])
    assert read.schema_version == 42
    assert len(read.panels or ()) == len(BUILT[name]["panels"])


def test_the_committed_reference_is_the_generated_one() -> None:
    assert REFERENCE.read_text() == reference.document(read_queries()), _AGAIN


def test_the_reference_has_every_metric_attribute_and_event() -> None:
    text = REFERENCE.read_text()
    declared = {value for name, value in vars(Attribute).items() if name.isupper()} | set(TIME.values())
    assert set(ATTRIBUTES) == declared
    assert set(EVENTS) == {value for name, value in vars(Event).items() if name.isupper()}
    for name in (*(spec.name for spec in METRICS), *ATTRIBUTES, *EVENTS):
        assert f"`{name}`" in text, name


def test_every_metric_is_looked_at_by_a_panel_or_an_alert() -> None:
    used = {metric for metrics in families(read_queries()).values() for metric in metrics}
    # Of the conventions' own names each query takes whichever there is; the tokens are also in metrics of ours.
    assert {spec.name for spec in METRICS if spec.semconv != "0.1"} - used == set()


def test_queries_of_dashboards_and_rules_find_a_metric_under_each_of_its_names() -> None:
    asked = [query for query in read_queries() if query.source == "prometheus"]
    looked_at = [{family(one.metric) for one in selectors(query.text)} for query in asked]
    for name, successors in SUCCESSORS.items():
        found = [metrics for metrics in looked_at if name in metrics]
        assert found
        assert all(metrics >= {spec.name for spec in successors} for metrics in found)

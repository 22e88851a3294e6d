"""The rules that every dashboard keeps, read from the committed JSON."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.promql import family, selectors
from dashboards.queries import links_of, panels_of, queries_of, read_dashboards
from telemetry.names import metrics as names
from telemetry.names.metrics import METRICS

DASHBOARDS = read_dashboards()
every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)

ABOUT_ONE = {
    "queue", "breaker", "deployment", "outcome", "provider", "where", "model", "policy",
    names.GEN_AI_MODEL, names.GEN_AI_PROVIDER, names.ATTEMPT_DEPLOYMENT,
}  # fmt: skip
"""Labels of a stage, a queue, an upstream, an error: from a series with one of them there is a way to its traces."""


def queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"] if target["datasource"]["type"] == "prometheus"]


def metric_panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (panel for panel in panels_of(dashboard) if queries(panel))


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def test_there_are_six() -> None:
    assert set(DASHBOARDS) == {
        "flow-overview.json",
        "queue-health.json",
        "breakers.json",
        "policies.json",
        "llm-usage.json",
        "who-and-cost.json",
    }


@every_dashboard
def test_1_at_most_eight_numbers_stand_on_top_of_the_rows(dashboard: dict[str, Any]) -> None:
    kinds = [panel["type"] for panel in dashboard["panels"]]
    first_row = kinds.index("row")
    assert kinds[:first_row] == ["stat"] * first_row
    assert 1 <= first_row <= 8
    assert "stat" not in kinds[first_row:]


@every_dashboard
def test_2_datasources_and_instance_are_variables_everywhere(dashboard: dict[str, Any]) -> None:
    variables = {each["name"]: each["type"] for each in dashboard["templating"]["list"]}
    assert variables.items() >= {"datasource": "datasource", "tempo": "datasource", "loki": "datasource"}.items()
    assert {variables[name] for name in ("job", "cluster", "namespace", "instance")} == {"query"}
    for panel in panels_of(dashboard):
        for part in (panel, *panel["targets"]):
            assert part["datasource"]["uid"] in ("${datasource}", "${tempo}", "${loki}"), title(panel)
    for query in queries_of(dashboard):
        if query.source == "prometheus" and query.kind in ("panel", "annotation"):
            found = selectors(query.text)
            recorded = [one for one in found if ":" in one.metric]
            for name in ("job", "cluster", "namespace"):
                assert query.text.count(f'{name}=~"${name}"') == len(found), query.where
            # What a rule records is of a gateway, not of an instance.
            assert query.text.count('instance=~"$instance"') == len(found) - len(recorded), query.where


@every_dashboard
def test_3_rates_are_taken_over_the_rate_interval_only(dashboard: dict[str, Any]) -> None:
    for panel in metric_panels(dashboard):
        for query in queries(panel):
            for function, window in re.findall(r"(\w+)\([^()]*\[(.*?)\]", query):
                whole = function == "increase" and window == "$__range" and panel["type"] in ("stat", "bargauge")
                before = function == "last_over_time"
                assert whole or before or window == "$__rate_interval", f"{title(panel)}: {query}"


@every_dashboard
def test_3_a_counter_is_never_shown_as_it_is(dashboard: dict[str, Any]) -> None:
    counters = {spec.name for spec in METRICS if spec.kind == "counter"}
    for panel in metric_panels(dashboard):
        for query in queries(panel):
            bare = re.sub(
                r"(rate|increase)\([^()]*\[[^]]*\]\)|clamp_min\([^()]*last_over_time\([^()]*\), 0\)", "", query
            )
            assert not [name for name in counters if name in bare], f"{title(panel)}: {query}"


@every_dashboard
def test_3_a_number_without_traffic_says_so(dashboard: dict[str, Any]) -> None:
    for panel in metric_panels(dashboard):
        if panel["type"] == "stat":
            assert panel["options"]["reduceOptions"]["calcs"] == ["last"], title(panel)
            assert panel["fieldConfig"]["defaults"]["noValue"] == "no traffic", title(panel)
            (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
            assert (mapping["options"]["match"], mapping["options"]["result"]["text"]) == ("null+nan", "no traffic")
            assert [query.endswith(" or vector(NaN)") for query in queries(panel)] == [True], title(panel)


@every_dashboard
def test_4_every_panel_says_what_it_shows_and_in_which_unit(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        assert len(panel["description"]) > 5, title(panel)
        assert panel["description"].endswith((".", "?")), title(panel)
        assert panel["fieldConfig"]["defaults"]["unit"], title(panel)


@every_dashboard
def test_5_depth_is_shown_over_capacity(dashboard: dict[str, Any]) -> None:
    for panel in metric_panels(dashboard):
        for query in queries(panel):
            if names.QUEUE_DEPTH.name in query or names.QUEUE_DEPTH_PEAK.name in query:
                # Or over what leaves the queue, which is a time.
                assert names.QUEUE_CAPACITY.name in query or names.QUEUE_DEQUEUED.name in query, title(panel)


@every_dashboard
def test_6_every_p95_has_a_heatmap_with_exemplars_beside_it(dashboard: dict[str, Any]) -> None:
    heatmaps = [panel for panel in metric_panels(dashboard) if panel["type"] == "heatmap"]
    with_exemplars = {
        (family(selectors(target["expr"])[0].metric), panel["gridPos"]["y"])
        for panel in heatmaps
        for target in panel["targets"]
        if target.get("exemplar") and target["format"] == "heatmap"
    }
    for panel in metric_panels(dashboard):
        for query in queries(panel):
            if "histogram_quantile" in query:
                metric = family(selectors(query)[0].metric)
                # A number on top has its heatmap below, a graph beside it.
                rows = {y for name, y in with_exemplars if name == metric}
                assert rows, f"{title(panel)}: no heatmap of {metric}"
                assert panel["type"] == "stat" or panel["gridPos"]["y"] in rows, title(panel)


def test_7_states_have_one_mapping_and_one_set_of_colours() -> None:
    timelines = [
        panel
        for dashboard in DASHBOARDS.values()
        for panel in panels_of(dashboard)
        if panel["type"] == "state-timeline"
    ]
    assert timelines
    for panel in timelines:
        (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
        options = {value: (result["text"], result["color"]) for value, result in mapping["options"].items()}
        assert options == {"0": ("closed", "#73BF69"), "1": ("half-open", "#FF9830"), "2": ("open", "#F2495C")}


@every_dashboard
def test_8_trips_acts_and_reloads_are_annotations_on_every_dashboard(dashboard: dict[str, Any]) -> None:
    found = {each["name"]: each for each in dashboard["annotations"]["list"]}
    assert names.BREAKER_TRIPS.name in found["Breaker trips"]["expr"]
    assert names.ADMIN_ACTS.name in found["Acts of operators"]["expr"]
    assert names.POLICY_LOADED.name in found["Policy reloads"]["expr"]
    assert all(each["enable"] and not each["hide"] for each in found.values())


@every_dashboard
def test_9_crosshair_time_uid_and_links_are_the_same_everywhere(dashboard: dict[str, Any]) -> None:
    assert dashboard["graphTooltip"] == 1
    assert dashboard["time"] == {"from": "now-30m", "to": "now"}
    assert dashboard["uid"].startswith("flowspan-")
    assert dashboard["tags"] == ["flowspan"]
    (link,) = dashboard["links"]
    assert (link["type"], link["tags"], link["keepTime"], link["includeVars"]) == (
        "dashboards",
        ["flowspan"],
        True,
        True,
    )
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert ids == list(range(1, len(ids) + 1))


def test_9_uids_differ() -> None:
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)


@every_dashboard
def test_10_one_click_leads_from_a_panel_to_traces_and_logs(dashboard: dict[str, Any]) -> None:
    for panel in metric_panels(dashboard):
        targets = {
            "tempo" if "%22%24%7Btempo" in link["url"] or "${tempo}" in link["url"] else "loki"
            for link in links_of(panel)
        }
        assert targets, title(panel)
        grouped = {
            label
            for query in queries(panel)
            for group in re.findall(r"by \((.*?)\)", query)
            for label in group.split(", ")
        }
        if grouped & ABOUT_ONE:
            assert targets == {"tempo", "loki"}, title(panel)


@every_dashboard
def test_10_a_link_asks_for_labels_that_its_series_have(dashboard: dict[str, Any]) -> None:
    for panel in metric_panels(dashboard):
        legends = " ".join(target["legendFormat"] for target in panel["targets"])
        grouped = {
            label
            for query in queries(panel)
            for group in re.findall(r"by \((.*?)\)", query)
            for label in group.split(", ")
        }
        for link in links_of(panel):
            for label in re.findall(r"\$\{__field\.labels\.(\w+)\}", link["url"]):
                assert label in grouped, f"{title(panel)}: {link['title']} ({legends})"


def test_11_no_metric_has_an_id_a_key_or_a_user_as_a_label() -> None:
    """`key` is the name that an operator gave a key, `team` that of its team, and `holder` one of the two."""
    bounded = {
        "act", "api", "breaker", "cause", "decision", "deployment", "error_type", "from_state", "holder", "hook",
        "key", "kind", "limit", "mode", "model", "origin", "outcome", "phase", "policy", "provider", "python",
        "queue", "reason", "result", "route", "scope", "signal", "state", "status", "status_class", "stream",
        "subject", "team", "to_state", "token_type", "version", "where", "flowspan_deployment", "gen_ai_operation_name",
        "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type", "gen_ai_token_modality",
    }  # fmt: skip
    assert {label for spec in METRICS for label in spec.labels} <= bounded


@every_dashboard
def test_no_panel_overlaps_another_or_leaves_the_grid(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, title(panel)
        assert not cells & taken, title(panel)
        taken |= cells

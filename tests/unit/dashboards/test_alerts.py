"""The rule files as an operator meets them: complete, with a page and a dashboard for each alert."""

import re
from typing import Any

import pytest
import yaml

from app.errors import GatewayError
from dashboards.__main__ import ROOT
from dashboards.operator import prometheus_rule
from dashboards.promql import groupings, selectors
from dashboards.queries import ALERTS, panels_of, read_dashboards, read_rules
from dashboards.slo import ANSWERED, BAD, BUDGET, BURNS_FAST, CLIENT_ERRORS, UNDELIVERED, UPSTREAM_FAILURES

RULES = [rule for rule in read_rules() if "alert" in rule]
RUNBOOKS = ROOT / "docs" / "runbooks"
every_alert = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
UIDS = {dashboard["uid"]: dashboard for dashboard in read_dashboards().values()}


@every_alert
def test_an_alert_says_how_bad_it_is_and_what_it_means(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "none")
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")


@every_alert
def test_an_alert_leads_to_a_page_that_says_what_to_do(rule: dict[str, Any]) -> None:
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text()
    assert page.startswith(f"# {rule['alert']}\n")
    heads = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert heads == ["What it means", "What to look at", "What to do", "How to know that it is over"]


@every_alert
def test_the_page_names_panels_that_are_there(rule: dict[str, Any]) -> None:
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text()
    named = re.findall(r"\*\*([^*]+)\*\* \(([^)]+)\)", page)
    titles = {
        dashboard["title"].removeprefix("Flowspan / "): {panel["title"] for panel in panels_of(dashboard)}
        for dashboard in UIDS.values()
    }
    assert named or rule["alert"] == "Watchdog"
    for panel, dashboard in named:
        assert panel in titles[dashboard], f"{panel} ({dashboard})"


@every_alert
def test_an_alert_names_a_dashboard_that_is_there(rule: dict[str, Any]) -> None:
    if rule["alert"] != "Watchdog":
        assert rule["annotations"]["dashboard"].removeprefix("/d/") in UIDS


def test_no_page_is_left_over() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in RULES}


def test_the_rules_mean_the_same_failures_as_the_dashboards() -> None:
    for rule in read_rules():
        for outcomes in re.findall(r'outcome=~"(.*?)"', rule["expr"]):
            assert outcomes in (BAD, ANSWERED, UPSTREAM_FAILURES), rule.get("record") or rule["alert"]
        for results in re.findall(r'result=~"(.*?)"', rule["expr"]):
            assert results in (UNDELIVERED, f"complete|{UNDELIVERED}"), rule.get("record") or rule["alert"]
    burns = [rule for rule in RULES if rule["alert"].startswith("AvailabilityBurn")]
    assert all(f"* {BUDGET}" in rule["expr"] for rule in burns)
    assert f"{BURNS_FAST} * {BUDGET}" in next(rule["expr"] for rule in burns if rule["alert"].endswith("Fast"))


every_rule = pytest.mark.parametrize("rule", read_rules(), ids=lambda rule: rule.get("record") or rule["alert"])


@every_rule
def test_a_gateway_of_another_job_is_no_business_of_a_rule(rule: dict[str, Any]) -> None:
    for one in selectors(rule["expr"]):
        if ":" not in one.metric:
            assert "job" in one.labels, one.metric


@every_rule
def test_nothing_is_added_up_over_jobs_clusters_and_namespaces(rule: dict[str, Any]) -> None:
    for labels in groupings(rule["expr"]):
        assert set(labels) >= {"job", "cluster", "namespace"} or set(labels) <= {"model"}, labels


def test_an_inhibition_silences_its_own_gateway_only() -> None:
    config = yaml.safe_load((ALERTS / "alertmanager.yaml").read_text())
    assert {"job", "cluster", "namespace"} <= set(config["route"]["group_by"])
    for rule in config["inhibit_rules"]:
        assert {"job", "cluster", "namespace"} <= set(rule["equal"]), rule


def test_every_alert_has_a_test_of_its_rule() -> None:
    tested = {
        case["alertname"]
        for path in (ALERTS / "tests").glob("*.yaml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    }
    assert tested == {rule["alert"] for rule in RULES}


def test_alertmanagers_inhibitions_name_alerts_that_are_there() -> None:
    config = yaml.safe_load((ALERTS / "alertmanager.yaml").read_text())
    names = {rule["alert"] for rule in RULES}
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, _, values = re.match(r'(\w+)(=~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
            if label == "alertname":
                assert set(values.split("|")) <= names, matcher


def test_the_operators_form_holds_all_rules() -> None:
    made = prometheus_rule()
    assert (made["apiVersion"], made["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert [rule for group in made["spec"]["groups"] for rule in group["rules"]] == read_rules()


def test_the_mistakes_of_clients_are_those_that_the_gateway_tells_apart() -> None:
    kinds, found = [GatewayError], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.outcome == "client_error":
            found.add(kind.error_type)
    assert set(CLIENT_ERRORS) == found

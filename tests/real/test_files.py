"""The files that an operator loads, checked by the programs that read them."""

import subprocess

import pytest

from dashboards.queries import ALERTS, RULE_FILES
from tests.real.fetched import python_with_models
from tests.real.programs import ROOT, output_of


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_prometheus_takes_the_rules(path: object) -> None:
    assert "SUCCESS" in output_of("promtool", "check", "rules", "--lint-fatal", str(path))


@pytest.mark.parametrize("path", sorted((ALERTS / "tests").glob("*.yaml")), ids=lambda path: path.stem)
def test_each_alert_fires_when_it_should_and_only_then(path: object) -> None:
    assert "SUCCESS" in output_of("promtool", "test", "rules", str(path))


def test_prometheus_takes_its_configuration() -> None:
    config = str(ROOT / "dashboards" / "stack" / "prometheus.yaml")
    assert "SUCCESS" in output_of("promtool", "check", "config", "--syntax-only", config)


def test_alertmanager_takes_the_routes() -> None:
    assert "SUCCESS" in output_of("amtool", "check-config", str(ALERTS / "alertmanager.yaml"))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=Watchdog", "severity=none"], "dead-mans-switch"),
        (["alertname=QueueOverflow", "severity=critical"], "pager"),
        (["alertname=BreakerTripped", "severity=warning"], "chat"),
        (["alertname=QueueOverflow", "severity=critical", "namespace=llm"], "pager"),
        (["alertname=QueueOverflow", "severity=critical", "namespace=llm-staging"], "nobody"),
        (["alertname=GatewayDown", "severity=critical", "cluster=staging-eu"], "nobody"),
    ],
    ids=["watchdog", "critical", "warning", "namespace", "staging namespace", "staging cluster"],
)
def test_alertmanager_tells_the_right_one(labels: list[str], receiver: str) -> None:
    config = f"--config.file={ALERTS / 'alertmanager.yaml'}"
    assert output_of("amtool", "config", "routes", "test", config, *labels).split()[0] == receiver


@pytest.mark.parametrize("kept", ["[]", "[tail_sampling]"])
def test_the_collector_takes_its_configuration(kept: str) -> None:
    output_of("otelcol", "validate", "--config", str(ROOT / "otel-collector.yaml"), environment={"KEEP_TRACES": kept})


def test_compose_takes_the_stack() -> None:
    stack = output_of("compose-config", str(ROOT / "compose.yaml"))
    for image in ("prom/prometheus:v", "prom/alertmanager:v", "grafana/grafana:", "grafana/tempo:", "grafana/loki:"):
        assert image in stack


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_knows_every_field_of_its_objects(version: str) -> None:
    file = str(ROOT / "deploy" / "kubernetes" / "flowspan.yaml")
    command = [str(python_with_models()), "-m", "kubernetes_validate", "--strict", "-k", version, file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed") == 4

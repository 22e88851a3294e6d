"""The stack as files: whatever one of them names in another is there."""

import json
import re
from typing import Any

import pytest
import yaml

from app.configuration import load
from app.providers import PROVIDERS
from app.settings import ServerSettings
from dashboards.__main__ import ROOT
from dashboards.queries import GRAFANA, read_dashboards

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROVIDERS_ENV = "deploy/compose/providers.env"
PROVISIONING = ROOT / "dashboards" / "provisioning"
every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def test_everything_is_there() -> None:
    wanted = {"flowspan", "collector", "prometheus", "alertmanager", "tempo", "loki", "grafana"}
    assert wanted <= set(SERVICES)


@every_service
def test_images_are_pinned(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[\w./-]+:(v?\d+\.\d+(\.\d+)?|local)", service["image"])


@every_service
def test_ports_are_open_to_this_machine_only(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@every_service
def test_what_is_mounted_is_there(service: dict[str, Any]) -> None:
    for volume in service.get("volumes", ()):
        source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).exists(), volume


def test_whoever_can_be_asked_is_asked_for_its_health() -> None:
    # The gateway's is in its image; `health` asks for those whose images hold no program to ask with.
    asked = {name for name, service in SERVICES.items() if "healthcheck" in service}
    probe = str(SERVICES["health"]["healthcheck"]["test"])
    asked |= {name for name in SERVICES if f"http://{name}:" in probe}
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    assert set(SERVICES) - asked == {"flowspan", "traffic"}


def test_the_collector_that_is_tested_is_the_one_that_is_run() -> None:
    built = yaml.safe_load((ROOT / "tests" / "real" / "otelcol.yaml").read_text())["dist"]["version"]
    assert SERVICES["collector"]["image"].endswith(f":{built}")


def test_the_gateways_configuration_is_good_and_needs_no_providers_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWSPAN_KEY", "sk-flowspan-local")
    settings = load(str(ROOT / "dashboards" / "stack" / "flowspan.yaml")).settings
    assert {deployment.provider for deployment in settings.deployments} == {"simulated"}
    assert [key.secret for key in settings.keys] == ["sk-flowspan-local"]


def test_prometheus_reaches_the_metrics_of_the_image() -> None:
    (line,) = re.findall(r"^CMD (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    command = json.loads(line)
    assert command[command.index("--metrics-host") + 1] == "0.0.0.0"
    scraped = yaml.safe_load((ROOT / "dashboards" / "stack" / "prometheus.yaml").read_text())["scrape_configs"]
    assert f"flowspan:{ServerSettings().metrics_port}" in str(scraped)


def test_the_gateway_is_given_the_time_that_it_takes_to_end() -> None:
    server = ServerSettings()
    seconds = int(SERVICES["flowspan"]["stop_grace_period"].removesuffix("s"))
    # Beyond them, some for the last words of what was cut off.
    assert seconds >= server.lame_duck + server.drain_timeout + 20


def test_the_gateway_is_given_the_key_of_each_provider_that_has_one() -> None:
    named = {line for line in (ROOT / PROVIDERS_ENV).read_text().splitlines() if not line.startswith("#")}
    variables = {provider.key_variable for provider in PROVIDERS.values()} - {None}
    # `flowspan init` looks for two more, of providers that LiteLLM asks.
    assert named == variables | {"GEMINI_API_KEY", "COHERE_API_KEY"}
    assert SERVICES["flowspan"]["env_file"][0] == PROVIDERS_ENV
    # What stands here without a value would hide what the file says.
    assert all(SERVICES["flowspan"]["environment"].values())


def test_the_gateway_writes_to_its_state_alone() -> None:
    service = SERVICES["flowspan"]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    states = [volume.split(":")[1] for volume in service["volumes"] if not volume.endswith(":ro")]
    image = (ROOT / "Dockerfile").read_text()
    assert states == re.findall(r"^WORKDIR (/var/.+)$", image, re.MULTILINE)


def test_datasources_lead_to_each_other() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "flowspan.yaml").read_text())["datasources"]
    by_uid = {source["uid"]: source for source in sources}
    named = re.findall(r"'datasourceUid': '(\w+)'", str(sources))
    assert set(named) == {"prometheus", "tempo", "loki"}
    assert set(named) < set(by_uid)
    prometheus, tempo, loki = (by_uid[uid]["jsonData"] for uid in ("prometheus", "tempo", "loki"))
    assert prometheus["exemplarTraceIdDestinations"] == [{"name": "trace_id", "datasourceUid": "tempo"}]
    assert {"tracesToLogsV2", "serviceMap", "nodeGraph"} <= set(tempo)
    assert loki["derivedFields"][0]["matcherType"] == "label"
    for source in sources:
        host = re.match(r"http://(\w+):", source["url"])
        assert host is not None
        assert host[1] in SERVICES


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "flowspan.yaml").read_text())["providers"]
    path = provider["options"]["path"]
    assert f"./dashboards/grafana:{path}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(f"{path}/") in read_dashboards()
    assert GRAFANA == ROOT / "dashboards" / "grafana"

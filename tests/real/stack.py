"""The stack on loopback: gateway, collector, Prometheus, Alertmanager, and receivers for what they send.

The committed files are used as they are, but for addresses and time: `otel-collector.yaml` with the endpoints that its
variables name, the scrape configuration with a scrape a second, rules and routes sixty times as fast. Behind the
collector, where Tempo listens for gRPC, a second collector hands on to the receiver.
"""

import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

import yaml

from dashboards.queries import ALERTS, RULE_FILES
from tests.real.fast_rules import fast_routes, fast_rules
from tests.real.programs import ROOT, Process, free_port, need
from tests.real.prometheus import Prometheus
from tests.real.webhook import Webhook
from tests.receivers import OtlpReceiver

_PYTHON = str(ROOT / ".venv" / "bin" / "python")
_CONFIGURATION = "flowspan.yaml"
_QUIET = "yaml:service::telemetry::metrics::level: none"


class Stack:
    """`with Stack(folder, gateway's configuration) as stack:` everything runs and is scraped then."""

    def __init__(self, folder: Path, configuration: Mapping[str, Any]) -> None:
        self._folder = folder
        self._configuration = configuration
        self._open = ExitStack()
        self.receiver = OtlpReceiver()
        self.webhook = Webhook()
        self.ports = {name: free_port() for name in _PORTS}
        self.prometheus = Prometheus(self.ports["prometheus"])
        self.url = f"http://127.0.0.1:{self.ports['gateway']}"
        self.collector = self._collector()
        self.gateway = self._gateway()

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def reconfigure(self, configuration: Mapping[str, Any]) -> None:
        """Have the gateway read another configuration while it runs."""
        self._file(_CONFIGURATION, configuration)
        self.gateway.send(signal.SIGHUP)

    def _start(self) -> None:
        for opened in (self.receiver, self.webhook, self._behind(), self.collector, self.gateway):
            self._open.enter_context(opened)
        self.collector.until(lambda: _answers(self.ports["health"], "/"), "healthy")
        self.gateway.until(lambda: _answers(self.ports["gateway"], "/readyz"), "ready")
        alertmanager = self._open.enter_context(self._alertmanager())
        alertmanager.until(lambda: _answers(self.ports["alertmanager"], "/-/ready"), "ready")
        prometheus = self._open.enter_context(self._prometheus())
        prometheus.until(self._scraped, "has scraped the gateway")

    def _scraped(self) -> bool:
        """Before the first scrape there is no gateway for Prometheus."""
        asked = self.prometheus
        return asked.ready() and asked.value("up") == 1 and asked.value('ALERTS{alertname="GatewayDown"}') is None

    def _collector(self) -> Process:
        overrides = {
            "receivers::otlp::protocols::grpc::endpoint": self._at("collector-grpc"),
            "receivers::otlp::protocols::http::endpoint": self._at("collector"),
            "extensions::health_check::endpoint": self._at("health"),
            "connectors::span_metrics::metrics_flush_interval": "1s",
        }
        command = [need("otelcol"), "--config", str(ROOT / "otel-collector.yaml"), "--config", _QUIET]
        for path, value in overrides.items():
            command += ["--config", f"yaml:{path}: {value}"]
        environment = {
            "TEMPO_ENDPOINT": self._at("tempo"),
            "PROMETHEUS_ENDPOINT": self.receiver.endpoint,
            "LOKI_ENDPOINT": self.receiver.endpoint,
        }
        return Process(command, self._folder / "collector.log", environment)

    def _behind(self) -> Process:
        """In Tempo's place."""
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": self._at("tempo")}}}},
            "exporters": {"otlp_http": {"endpoint": self.receiver.endpoint}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}},
            },
        }
        return Process([need("otelcol"), "--config", self._file("tempo.yaml", config)], self._folder / "tempo.log")

    def _gateway(self) -> Process:
        config = self._file(_CONFIGURATION, self._configuration)
        environment = {
            "OTEL_SERVICE_NAME": "flowspan",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self._at('collector')}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_BLRP_SCHEDULE_DELAY": "200",
        }
        ports = [str(self.ports[name]) for name in ("gateway", "metrics")]
        command = [_PYTHON, "-m", "tests.real.gateway", config, *ports]
        return Process(command, self._folder / "gateway.log", environment)

    def _alertmanager(self) -> Process:
        routes = yaml.safe_load((ALERTS / "alertmanager.yaml").read_text())
        command = [
            need("prometheus-alertmanager"),
            f"--config.file={self._file('alertmanager.yaml', fast_routes(routes, self.webhook.url))}",
            f"--storage.path={self._folder / 'alertmanager'}",
            f"--web.listen-address={self._at('alertmanager')}",
            "--cluster.listen-address=",
        ]
        return Process(command, self._folder / "alertmanager.log")

    def _prometheus(self) -> Process:
        for path in RULE_FILES:
            self._file(path.name, fast_rules(yaml.safe_load(path.read_text())))
        config = yaml.safe_load((ROOT / "dashboards" / "stack" / "prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [f"{self._folder}/*.rules.yaml"]
        config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [self._at("alertmanager")]}]
        flowspan = next(job for job in config["scrape_configs"] if job["job_name"] == "flowspan")
        flowspan["static_configs"] = [{"targets": [self._at("metrics")]}]
        config["scrape_configs"] = [flowspan]
        command = [
            need("prometheus"),
            f"--config.file={self._file('prometheus.yaml', config)}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address={self._at('prometheus')}",
            "--enable-feature=exemplar-storage",
        ]
        return Process(command, self._folder / "prometheus.log")

    def _at(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def _file(self, name: str, content: Mapping[str, Any]) -> str:
        path = self._folder / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return str(path)


_PORTS = (
    "gateway",
    "metrics",
    "collector",
    "collector-grpc",
    "health",
    "tempo",
    "prometheus",
    "alertmanager",
)


def _answers(port: int, path: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

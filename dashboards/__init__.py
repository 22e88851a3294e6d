"""What an operator loads into Grafana, Prometheus and Alertmanager, and what makes and reads it.

generator/      Python -> `grafana/*.json`, with `python -m dashboards`; never edit the JSON
grafana/        the six dashboards, as Grafana takes them
provisioning/   Grafana's datasources and dashboards, as files
alerts/         Prometheus rules with their tests, an Alertmanager configuration
stack/          what else `compose.yaml` mounts
queries         reads every query of dashboards and rules; `promql` says which metrics and labels a query names
reference       writes `docs/telemetry.md` from `telemetry.names`
operator        rule files as a PrometheusRule of Kubernetes
"""

"""When client certificates expire, as metrics show it."""

from prometheus_client import CollectorRegistry

from telemetry.metrics.deployments import DeploymentMetrics
from telemetry.names import metrics as names


def test_what_expires_is_shown_for_those_deployments_alone_that_have_a_certificate() -> None:
    registry = CollectorRegistry()
    metrics = DeploymentMetrics(registry)

    def exposed() -> dict[str, float]:
        samples = (one for family in registry.collect() for one in family.samples)
        name = names.UPSTREAM_CERTIFICATE_EXPIRY.name
        return {one.labels["deployment"]: one.value for one in samples if one.name == name}

    for expiries in ({"a": 1e9, "b": 2e9}, {"b": 3e9, "c": 1e9}, {}):
        metrics.show_certificates(expiries)
        assert exposed() == expiries

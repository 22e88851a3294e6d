"""`python -m dashboards.operator [NAMESPACE]` prints the rules as a PrometheusRule, for a Prometheus operator."""

import sys
from typing import Any

import yaml

from dashboards.queries import RULE_FILES


def prometheus_rule(namespace: str = "monitoring") -> dict[str, Any]:
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "flowspan", "namespace": namespace, "labels": {"app.kubernetes.io/name": "flowspan"}},
        "spec": {"groups": groups},
    }


if __name__ == "__main__":
    yaml.safe_dump(prometheus_rule(*sys.argv[1:2]), sys.stdout, sort_keys=False, width=120)

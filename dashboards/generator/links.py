"""One click from a series to its traces (Tempo) or its logs (Loki), in Explore, at the dashboard's time.

Grafana puts values in place of `${...}`, so that stays as it is in the otherwise encoded address.
"""

import json
import re
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

SERVICE = '{service_name="flowspan"}'
ALL_SPANS = 'resource.service.name = "flowspan"'


def label(name: str) -> str:
    """The value of a label in the clicked series."""
    return f"${{__field.labels.{name}}}"


def traces(title: str, *conditions: str) -> DashboardLink:
    """Conditions are TraceQL on one span: `span.flowspan.queue.name = "sse"`."""
    query = {"refId": "A", "queryType": "traceql", "query": traceql(*conditions), "limit": 20, "tableType": "traces"}
    return _explore(title, "tempo", query)


def logs(title: str, *filters: str) -> DashboardLink:
    """Filters are LogQL on a line's fields: `outcome="overflow"`."""
    return _explore(title, "loki", {"refId": "A", "expr": logql(*filters), "queryType": "range"})


def traceql(*conditions: str) -> str:
    return f"{{ {' && '.join((ALL_SPANS, *conditions))} }}"


def logql(*filters: str) -> str:
    return " | ".join((SERVICE, *filters))


def _explore(title: str, datasource: str, query: dict[str, Any]) -> DashboardLink:
    query["datasource"] = {"type": datasource, "uid": f"${{{datasource}}}"}
    pane = {
        "datasource": f"${{{datasource}}}",
        "queries": [query],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    text = json.dumps({"flowspan": pane}, separators=(",", ":"))
    kept = re.split(r"(\$\{[\w.]+\})", text)
    encoded = "".join(piece if piece.startswith("${") else quote(piece, safe="") for piece in kept)
    address = f"/explore?schemaVersion=1&orgId=1&panes={encoded}"
    return DashboardLink(title).type(DashboardLinkType.LINK).url(address).target_blank(True)

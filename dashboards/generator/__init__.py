"""The dashboards as code: `build()` gives each of them as JSON, by its file's name.

metrics -> panels -> a dashboard's own module -> frame

`metrics` writes PromQL from `telemetry.names`, `links` the ways to traces and logs, `panels` one kind of panel each,
`pipeline_picture` the picture; `frame` puts them in rows, with variables, annotations and links that all share.
"""

from dashboards.generator import breakers, flow_overview, llm_usage, policies, queue_health, who_and_cost
from dashboards.generator.frame import Json

DASHBOARDS = (flow_overview, queue_health, breakers, policies, llm_usage, who_and_cost)


def build() -> dict[str, Json]:
    return {f"{module.UID.removeprefix('flowspan-')}.json": module.build() for module in DASHBOARDS}

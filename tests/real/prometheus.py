"""What a real Prometheus answers: the dashboards' own queries, with Grafana's variables replaced."""

import json
import math
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

STEP = 1.0
RATE_INTERVAL = "6s"
"""Six scrapes: what Grafana would choose at a scrape a second, and a little more."""


@dataclass(frozen=True)
class Series:
    """Points are (Unix time, value), finite values only."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Exemplar:
    series: dict[str, str]
    trace_id: str
    value: float
    at: float


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def value(self, query: str) -> float | None:
        """The value of the query's first series, now; None if it has none."""
        found = self._get("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def range(self, query: str, start: float, end: float, step: float = STEP) -> list[Series]:
        asked = as_prometheus(query, end - start)
        found = self._get("query_range", query=asked, start=start, end=end, step=step)["result"]
        return [_series(each["metric"], each["values"]) for each in found]

    def exemplars(self, query: str, start: float, end: float) -> list[Exemplar]:
        found = self._get("query_exemplars", query=as_prometheus(query, end - start), start=start, end=end)
        return [
            Exemplar(each["seriesLabels"], one["labels"]["trace_id"], float(one["value"]), float(one["timestamp"]))
            for each in found
            for one in each["exemplars"]
        ]

    def firing(self, start: float) -> dict[str, list[tuple[float, float]]]:
        """By alert's name, from when to when it fired; an alert of several series counts as one."""
        end = time.time()
        series = self.range('max by (alertname) (ALERTS{alertstate="firing"})', start, end)
        return {each.labels["alertname"]: _spells([at for at, _ in each.points]) for each in series}

    def _get(self, what: str, **parameters: object) -> Any:
        with urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]


def as_prometheus(query: str, seconds: float) -> str:
    """`$instance`, `$model` and the like stand for all of them."""
    replaced = query.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", f"{math.ceil(seconds)}s")
    return re.sub(r'"\$\w+"', '".*"', replaced.replace("$__interval", f"{STEP:g}s"))


def _series(labels: dict[str, str], values: list[tuple[float, str]]) -> Series:
    points = ((float(at), float(value)) for at, value in values)
    return Series(labels, tuple((at, value) for at, value in points if math.isfinite(value)))


def _spells(times: list[float]) -> list[tuple[float, float]]:
    spells: list[tuple[float, float]] = []
    for at in times:
        if spells and at - spells[-1][1] <= 2 * STEP:
            spells[-1] = (spells[-1][0], at)
        else:
            spells.append((at, at))
    return spells

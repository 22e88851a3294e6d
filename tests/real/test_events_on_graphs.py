"""One event is one bar and one mark, whatever the interval of scrapes and the step of the graph: by promtool."""

from math import ceil
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.queries import Query, read_queries
from tests.real.programs import output_of

_SERIES = 'flowspan_breaker_trips_total{job="flowspan",instance="a",breaker="east",reason="consecutive_failures"}'
QUERIES = [query for query in read_queries() if "flowspan_breaker_trips_total" in query.text and "> 0" in query.text]
BY_KIND: dict[str, Query] = {query.kind: query for query in QUERIES if query.kind in ("panel", "annotation")}


def expectation(query: Query, at: int, step: int, trip: int) -> dict[str, Any]:
    """The trip is in the first point of the graph that is not before it, and in no other."""
    expected = ceil(trip / step) * step == at
    text = query.text.replace("$__interval", f"{step}s")
    for name in ("job", "cluster", "namespace", "instance"):
        text = text.replace(f"${name}", ".*")
    labels = '{breaker="east", reason="consecutive_failures"}'
    return {
        "expr": text,
        "eval_time": f"{at}s",
        "exp_samples": [{"labels": labels, "value": 1}] if expected else [],
    }


@pytest.mark.parametrize("kind", ["panel", "annotation"])
@pytest.mark.parametrize(
    ("scrape", "step", "values", "trip"),
    [
        (15, 15, "0x9 1x30", 150),
        (15, 60, "0x9 1x30", 150),
        (60, 15, "0x4 1x6", 300),
        (30, 15, "0x4 1x12", 150),
        (15, 15, "0x9 _x3 1x30", 195),
    ],
    ids=["usual", "seen from afar", "rare scrapes", "scrapes at every other point", "scrapes that were missed"],
)
def test_one_trip_is_one_bar_and_one_mark(
    kind: str, scrape: int, step: int, values: str, trip: int, tmp_path: Path
) -> None:
    cases = [expectation(BY_KIND[kind], at, step, trip) for at in range(60, 480, step)]
    assert sum(len(case["exp_samples"]) for case in cases) == 1
    test = {
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": f"{scrape}s",
                "input_series": [{"series": _SERIES, "values": values}],
                "promql_expr_test": cases,
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    assert "SUCCESS" in output_of("promtool", "test", "rules", str(path))

"""`python -m dashboards`: writes `dashboards/grafana/*.json` and `docs/telemetry.md` anew."""

import json
import sys
from pathlib import Path

from dashboards import generator, reference
from dashboards.generator.frame import Json
from dashboards.queries import GRAFANA, read_queries

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "telemetry.md"


def as_text(dashboard: Json) -> str:
    return json.dumps(dashboard, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    for name, dashboard in generator.build().items():
        (GRAFANA / name).write_text(as_text(dashboard))
    REFERENCE.write_text(reference.document(read_queries()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

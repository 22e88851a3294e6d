"""Imports between the wings of telemetry go one way, and none goes to the application."""

import ast
from pathlib import Path

TELEMETRY = Path(__file__).parents[3] / "telemetry"
BELOW = {"names", "exceptions", "guard", "hosts", "key_shapes", "limits", "redact", "tokens"}
"""What stands below all wings."""
MAY_IMPORT = {
    **dict.fromkeys(BELOW, BELOW),
    "metrics": BELOW,
    "environment": BELOW,
    "delivery": BELOW | {"environment"},
    "export": BELOW | {"metrics", "delivery"},
    "periodic": BELOW | {"metrics", "delivery", "export"},
    "recording": BELOW,
    "prompt_cache": BELOW,
    "traces": BELOW,
    "logs": BELOW | {"metrics", "export"},
    "live": BELOW | {"metrics", "recording"},
    "otlp": BELOW | {"metrics", "environment", "delivery", "export", "periodic", "traces"},
    "transaction": BELOW | {"metrics", "recording", "prompt_cache", "traces", "logs", "live"},
}
"""The rest (`process` and the face) may import everything."""


def test_imports_go_one_way() -> None:
    for path in TELEMETRY.rglob("*.py"):
        wing = path.relative_to(TELEMETRY).parts[0].removesuffix(".py")
        allowed = MAY_IMPORT.get(wing)
        if allowed is not None:
            assert imported(path) <= allowed | {wing}, path


def test_nothing_of_the_application_is_imported() -> None:
    for path in TELEMETRY.rglob("*.py"):
        assert not [name for name in modules(path) if name.partition(".")[0] in ("app", "dashboards", "bench")], path


def imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in modules(path) if name.startswith("telemetry.")}


def modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found

"""The recorded provider streams beside the repository, where they are there; nothing of them is kept here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3] / "shared" / "streams"


@dataclass(frozen=True)
class Recording:
    row: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.row["file"])

    @property
    def api(self) -> str:
        return str(self.row["api"])

    @property
    def body(self) -> bytes:
        return (ROOT / self.name).read_bytes()

    @property
    def events(self) -> list[dict[str, Any]]:
        """By the simplest means there are, to compare with."""
        lines = self.body.replace(b"\r\n", b"\n").split(b"\n")
        data = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
        return [json.loads(one) for one in data if one != b"[DONE]"]


def recordings(*apis: str) -> Sequence[Any]:
    """Parameters for a test; one that is skipped where there are no recordings."""
    if not (found := of(*apis)):
        return [pytest.param(None, marks=pytest.mark.skip(reason="no recorded streams beside the repository"))]
    return [pytest.param(recording, id=recording.name) for recording in found]


def of(*apis: str) -> list[Recording]:
    return [recording for recording in everything() if recording.api in apis]


def everything() -> list[Recording]:
    """All recordings, those in dialects of which nothing is read here included."""
    index = ROOT / "index.jsonl"
    return [Recording(json.loads(line)) for line in index.read_text().splitlines()] if index.exists() else []

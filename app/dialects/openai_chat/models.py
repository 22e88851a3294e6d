"""The list of models, as OpenAI's `GET /v1/models` shows it: whole, without pages."""

from collections.abc import Mapping, Sequence
from typing import Any


def render_models(names: Sequence[str], created: int, query: Mapping[str, str]) -> dict[str, Any]:
    return {"object": "list", "data": [render_model(name, created) for name in names]}


def render_model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "flowspan"}

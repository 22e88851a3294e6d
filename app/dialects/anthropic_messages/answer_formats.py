"""The format of an answer, as Anthropic's API or its models can be asked for it. Pure.

A schema is `output_config.format` where the model takes that. Everything else is asked for in words at the end of the
system prompt: any JSON object, which the API has no format for, and a schema for an older model.
"""

from typing import Any

import msgspec

from app.dialects.anthropic_messages.claude_models import ClaudeModel
from app.dialects.anthropic_messages.schemas import answer_schema
from app.dialects.dialect import dialect_of
from app.dialects.translation.losses import no_counterpart
from app.messages import Request

_JSON_ALONE = "Answer with one JSON object and nothing else: no text before or after it, and no code fence around it."
_WITH_SCHEMA = "It has to match this JSON schema:"


def answer_format(request: Request, model: ClaudeModel) -> tuple[dict[str, Any] | None, str | None]:
    """The format for `output_config`, and the words for the system prompt, each None if there is none."""
    match request.response_format:
        case None | {"type": "text"}:
            return None, None
        case {"type": "json_object"}:
            return None, _JSON_ALONE
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            if not schema:
                return None, _JSON_ALONE
            if model.schemas:
                return {"type": "json_schema", "schema": answer_schema(schema)}, None
            return None, f"{_JSON_ALONE} {_WITH_SCHEMA}\n{msgspec.json.encode(schema).decode()}"
        case _:
            name = dialect_of(request).field_names.get("response_format", "response_format")
            raise no_counterpart(name, "an answer format without a JSON schema")

"""The releases of OpenTelemetry's GenAI conventions, and what they call the same thing.

Up to 1.41 they stood in the main repository; 0.1 is the first release of their own
(github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/non-normative/migration.md).
"""

from typing import Literal

Semconv = Literal["1.41", "0.1", "both"]
"""Whose names are emitted."""

STORED_RESPONSE, FETCH_RESPONSE = "stored_response", "fetch_response"
INFERENCE = frozenset({"chat", "text_completion", "generate_content"})
EMBEDDINGS = frozenset({"embeddings"})


def operation_name(operation: str, semconv: Semconv) -> str:
    """`gen_ai.operation.name`: up to 1.41 there is none for fetching a stored response, so it has ours."""
    return STORED_RESPONSE if operation == FETCH_RESPONSE and semconv == "1.41" else operation

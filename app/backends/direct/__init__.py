"""Providers asked directly: OpenAI's chat completions, whoever serves them, and Anthropic's messages.

A request goes `openai` or `anthropic` (what is asked) -> `http` (pooled connections) -> `sse` (bytes to events) ->
`streaming` (events to chunks, each with the provider's own bytes). What goes wrong is named in `errors`.
"""

from app.backends.direct.anthropic import AnthropicWire
from app.backends.direct.backend import DirectBackend
from app.backends.direct.openai import OpenAIWire
from app.settings import Deployment

__all__ = ["DirectBackend", "make_direct", "validate_direct"]


def make_direct(deployment: Deployment, request_timeout: float) -> DirectBackend:
    return DirectBackend(deployment, _wire(deployment), request_timeout)


def validate_direct(deployment: Deployment) -> None:
    """Raise ValueError, with a text for the operator, where the deployment could never serve."""
    _wire(deployment)


def _wire(deployment: Deployment) -> OpenAIWire | AnthropicWire:
    return AnthropicWire(deployment) if deployment.backend == "anthropic" else OpenAIWire(deployment)

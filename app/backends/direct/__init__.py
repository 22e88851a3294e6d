"""Providers asked directly: OpenAI's chat completions and Responses API, whoever serves them, and Anthropic's messages.

A request goes `openai`, `responses`, `anthropic` or `openai_passing` (what is asked; the last for embeddings and legacy
completions) -> `backend` and `http` (pooled connections) -> `streaming` (an answer as it comes), which works with `sse`
(bytes to events) and `events` (events to chunks, each with the provider's own bytes), or `bodies` (a whole answer).
`openai_apis` knows which of OpenAI's two APIs a provider has, `errors` what goes wrong.
"""

from app.backends.direct.anthropic import AnthropicWire
from app.backends.direct.backend import DirectBackend, ssl_verify
from app.backends.direct.http import ssl_of
from app.backends.direct.openai import OpenAIWire
from app.backends.direct.openai_apis import OpenAIBackend, ResponsesBackend
from app.backends.direct.openai_passing import CompletionsWire, EmbeddingsWire
from app.backends.direct.responses import ResponsesWire
from app.settings import Deployment

__all__ = ["DirectBackend", "OpenAIBackend", "ResponsesBackend", "make_direct", "validate_direct"]


def make_direct(deployment: Deployment, request_timeout: float, event_limit: int) -> DirectBackend | OpenAIBackend:
    if deployment.backend == "anthropic":
        return DirectBackend(deployment, AnthropicWire(deployment), request_timeout, event_limit)
    if deployment.responses == "only":
        return ResponsesBackend(deployment, request_timeout, event_limit)
    chat = DirectBackend(
        deployment,
        OpenAIWire(deployment),
        request_timeout,
        event_limit,
        {"text_completion": CompletionsWire(deployment)},
        EmbeddingsWire(deployment),
    )
    if deployment.responses == "none":
        return chat
    return OpenAIBackend(chat, ResponsesBackend(deployment, request_timeout, event_limit), deployment.responses)


def validate_direct(deployment: Deployment) -> None:
    """Raise ValueError, with a text for the operator, where the deployment could never serve."""
    ssl_of(ssl_verify(deployment))
    if deployment.backend == "anthropic":
        AnthropicWire(deployment)
    elif deployment.responses == "only":
        ResponsesWire(deployment)
    else:
        OpenAIWire(deployment)

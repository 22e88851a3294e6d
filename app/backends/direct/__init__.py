"""Providers asked directly: OpenAI's chat completions and Responses API, whoever serves them, and Anthropic's messages.

A request is encoded by the codec of the API that its provider has: `openai_chat`, `openai_responses`,
`completions_and_embeddings` or `anthropic_messages`. What these have in common is in `codec`, `endpoint`, `openai_urls`
and `parameters`. `backend` sends it over `connections`, which are pooled, and reads the answer with `streaming`, event
by event (`sse`), or with `bodies`, whole. `openai_apis` knows which of OpenAI's two APIs a provider has, and `errors`
what went wrong.
"""

from collections.abc import Callable, Mapping

from app.backends.direct.anthropic_messages import anthropic_codecs
from app.backends.direct.backend import DirectBackend, SharedResources
from app.backends.direct.codec import Codecs
from app.backends.direct.completions_and_embeddings import CompletionsCodec, EmbeddingsCodec
from app.backends.direct.openai_apis import OpenAIBackend, ResponsesBackend
from app.backends.direct.openai_chat import OpenAIChatCodec
from app.backends.direct.openai_responses import ResponsesCodec
from app.providers import BackendName
from app.settings import Deployment

__all__ = [
    "CODECS",
    "DirectBackend",
    "OpenAIBackend",
    "ResponsesBackend",
    "SharedResources",
    "make_direct",
    "validate_direct",
]


def make_direct(deployment: Deployment, shared: SharedResources) -> DirectBackend | OpenAIBackend:
    if deployment.responses == "only":
        return ResponsesBackend(deployment, shared)
    backend = DirectBackend(deployment, CODECS[deployment.backend](deployment), shared)
    if deployment.responses == "none":
        return backend
    return OpenAIBackend(backend, ResponsesBackend(deployment, shared), deployment.responses)


def validate_direct(deployment: Deployment) -> None:
    """Raise ValueError, with a text for the operator, where the deployment could never serve."""
    if deployment.responses == "only":
        ResponsesCodec(deployment)
    else:
        CODECS[deployment.backend](deployment)


def _openai_codecs(deployment: Deployment) -> Codecs:
    return Codecs(
        chat=OpenAIChatCodec(deployment),
        text_completion=CompletionsCodec(deployment),
        embeddings=EmbeddingsCodec(deployment),
    )


CODECS: Mapping[BackendName, Callable[[Deployment], Codecs]] = {
    "openai": _openai_codecs,
    "anthropic": anthropic_codecs,
}
"""By how a provider is asked; those of the Responses API alone are made where it is found out who has it."""

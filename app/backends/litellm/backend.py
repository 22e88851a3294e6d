"""A deployment reached through LiteLLM.

Promised: what a provider did not finish is `UpstreamTruncated`, never a clean end; nothing is retried here; the
upstream connection is closed within a second of the stream's end, whoever ended it.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from types import ModuleType
from typing import Any

from app.backends.litellm import loading
from app.backends.litellm.lifetimes import Lifetimes
from app.backends.litellm.parameters import Provider, arguments, provider_of
from app.backends.litellm.passing import (
    as_chat,
    embedding_arguments,
    from_embedding,
    from_text_completion,
    in_one_chunk,
    takes_texts,
    text_arguments,
    text_client,
)
from app.backends.litellm.repair import Repair, without_server_calls
from app.backends.litellm.tap import Heard, tap
from app.errors import UpstreamFailed, UpstreamTruncated
from app.messages import Batch, ModelResponse, Request
from app.settings import Deployment
from telemetry.context import Attempt
from telemetry.redact import Scrubber

_COMPATIBLE = frozenset({"openai", "azure", "custom_openai", "openrouter", "vercel_ai_gateway", "mistral"})
_SECRET_NAMES = ("key", "secret", "token", "password", "credential")


class LiteLLMBackend:
    def __init__(self, deployment: Deployment, request_timeout: float) -> None:
        self._deployment = deployment
        self._timeout = float(deployment.timeout or request_timeout)
        self._scrub = Scrubber(_secrets(deployment.params))
        self._provider: Provider | None = None
        self._lifetimes = Lifetimes()
        self._text_client: Any = None

    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        litellm = await _loaded()
        # It imports LiteLLM itself, so it comes after that is ready.
        from app.backends.litellm.conversion import from_litellm, with_usage

        if self._asks_for_text(litellm, request):
            yield (in_one_chunk(await self._text(litellm, request, attempt)),)
            return
        wrapper = await self._call(litellm, request, attempt.trace_headers, stream=True)
        heard, started = tap(wrapper), False
        repair = Repair(heard)
        try:
            while (chunk := await self._next(wrapper, started)) is not None:
                started = True
                converted = with_usage(from_litellm(chunk), heard)
                if _ends(converted):
                    _check_end(wrapper, heard)
                if repaired := tuple(repair.feed(converted)):
                    yield repaired
            _check_end(wrapper, heard)
            if repaired := tuple(repair.finish()):
                yield repaired
        finally:
            await self._lifetimes.close(wrapper)

    async def complete(self, request: Request, attempt: Attempt) -> ModelResponse:
        litellm = await _loaded()
        from app.backends.litellm.conversion import from_litellm

        if request.operation == "embeddings":
            return await self._vectors(litellm, request, attempt)
        if self._asks_for_text(litellm, request):
            return await self._text(litellm, request, attempt)
        answer = await self._call(litellm, request, attempt.trace_headers, stream=False)
        return without_server_calls(from_litellm(answer))

    async def count_tokens(self, request: Request) -> int:
        litellm = await _loaded()
        said = self._arguments(litellm, request, {}, stream=False)
        # Tokenizers take milliseconds for a long prompt: not on the event loop.
        return await asyncio.to_thread(
            litellm.token_counter, model=self._deployment.model, messages=said["messages"], tools=said.get("tools")
        )

    async def aclose(self) -> None:
        await self._lifetimes.aclose()
        if self._text_client is not None:
            await self._text_client.close()
        await loading.close_clients()

    def _asks_for_text(self, litellm: ModuleType, request: Request) -> bool:
        return request.operation == "text_completion" and takes_texts(
            litellm, self._its_provider(litellm), self._deployment.model
        )

    async def _text(self, litellm: ModuleType, request: Request, attempt: Attempt) -> ModelResponse:
        said = text_arguments(request, self._deployment, **self._common(litellm, attempt.trace_headers))
        if self._text_client is None:
            self._text_client = text_client(litellm, self._deployment, self._timeout)
        return from_text_completion(await self._answer(litellm.atext_completion(client=self._text_client, **said)))

    async def _vectors(self, litellm: ModuleType, request: Request, attempt: Attempt) -> ModelResponse:
        said = embedding_arguments(request, self._deployment, **self._common(litellm, attempt.trace_headers))
        return from_embedding(await self._answer(litellm.aembedding(**said)))

    async def _call(self, litellm: ModuleType, request: Request, trace_headers: dict[str, str], *, stream: bool) -> Any:
        return await self._answer(
            litellm.acompletion(**self._arguments(litellm, request, trace_headers, stream=stream))
        )

    async def _answer(self, asking: Coroutine[Any, Any, Any]) -> Any:
        from app.backends.litellm.errors import translate

        try:
            return await self._lifetimes.call(asking)
        except Exception as error:
            raise translate(error, self._scrub) from error

    async def _next(self, wrapper: Any, started: bool) -> Any:
        from app.backends.litellm.errors import translate

        try:
            return await anext(wrapper, None)
        except Exception as error:
            raise translate(error, self._scrub, started) from error

    def _arguments(
        self, litellm: ModuleType, request: Request, trace_headers: dict[str, str], *, stream: bool
    ) -> dict[str, Any]:
        if request.operation == "text_completion":
            request = as_chat(request)
        return arguments(request, self._deployment, stream=stream, **self._common(litellm, trace_headers))

    def _common(self, litellm: ModuleType, trace_headers: dict[str, str]) -> dict[str, Any]:
        return {
            "provider": self._its_provider(litellm),
            "timeout": self._timeout,
            "reserved": loading.reserved_names(),
            "trace_headers": trace_headers,
        }

    def _its_provider(self, litellm: ModuleType) -> Provider:
        if self._provider is None:
            self._provider = self._find_provider(litellm)
        return self._provider

    def _find_provider(self, litellm: ModuleType) -> Provider:
        model, params = self._deployment.model, self._deployment.params
        try:
            _, name, _, _ = litellm.get_llm_provider(
                model=model,
                custom_llm_provider=params.get("custom_llm_provider"),
                api_base=params.get("api_base") or params.get("base_url"),
            )
        except Exception as error:
            raise UpstreamFailed(
                "The gateway's configuration of this model names no known provider.", upstream_status=403, detail=model
            ) from error
        return provider_of(name, model, _COMPATIBLE | set(litellm.openai_compatible_providers))


async def _loaded() -> ModuleType:
    """The first time takes seconds, in a thread; later it is a look into a cache."""
    ready = loading.loaded()
    return ready if ready is not None else await asyncio.to_thread(loading.load)


def _check_end(wrapper: Any, heard: Heard) -> None:
    """LiteLLM ends a stream that was cut off with a "stop" of its own; only the provider's word counts."""
    if not (wrapper.received_finish_reason or heard.finish_reasons):
        raise UpstreamTruncated("The provider's stream stopped before its end.", detail="no finish reason")


def _ends(chunk: ModelResponse) -> bool:
    return any(choice.finish_reason for choice in chunk.choices)


def _secrets(params: dict[str, Any]) -> Iterator[str]:
    for name, value in params.items():
        if isinstance(value, str) and any(word in name.lower() for word in _SECRET_NAMES):
            yield value

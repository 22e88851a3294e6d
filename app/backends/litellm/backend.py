"""A deployment reached through LiteLLM.

Promised: what a provider did not finish is `UpstreamTruncated`, never a clean end; nothing is retried here; the
upstream connection is closed within a second of the stream's end, whoever ended it.

A call or stream may have to be ended properly while its caller is being cancelled. What remains to be done then goes on
in tasks of its own, each bounded in time; `_ConnectionLifetimes` keeps them alive, and its `aclose` waits for them.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from app.addresses import base_of
from app.backends.error_bodies import limit_headers
from app.backends.litellm import loading
from app.backends.litellm.chunk_repair import ChunkFacts, ChunkRepair, listen_to, without_server_calls
from app.backends.litellm.completions_and_embeddings import (
    embedding_arguments,
    from_embedding,
    from_text_completion,
    takes_texts,
    text_arguments,
    text_client,
)
from app.backends.litellm.parameters import LiteLLMTarget, arguments, form_of, target_of
from app.backends.provider_limits import allowances
from app.dialects.dialect import left_out_tools
from app.dialects.errors import ProviderFailed
from app.dialects.finish_reasons import refuse_failed
from app.dialects.openai_completions import as_chat
from app.errors import UpstreamFailed, UpstreamTruncated
from app.messages import Batch, ModelResponse, Received, Request, as_chunk, is_substantial
from app.settings import Deployment
from app.stages import generated
from telemetry import Attempt, Scrubber

_CLOSING_LIMIT = 1.0
_GRACE = 0.25
"""LiteLLM prepares a request in a thread and then awaits what comes back; cancelled in between, it would leave a
coroutine that nobody ever awaits. A moment later there is a connection, and cancelling closes it."""


class _ConnectionLifetimes:
    """The calls and streams of one deployment that are still to be ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def call(self, asking: Coroutine[Any, Any, Any]) -> Any:
        """Await a call of LiteLLM's. If cancelled, return at once: the call is given up in the background."""
        task = self._start(asking)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._start(_give_up(task))
            raise

    async def close(self, stream: Any) -> None:
        """Close a stream, to the end even if the caller is cancelled meanwhile."""
        await asyncio.shield(self._start(_closed(stream)))

    async def aclose(self) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _closed(stream: Any) -> None:
    # The stream has ended; nothing depends on how its connection does.
    with suppress(Exception):
        async with asyncio.timeout(_CLOSING_LIMIT):
            await stream.aclose()


async def _give_up(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task}, timeout=_GRACE)
    task.cancel()
    await asyncio.wait({task}, timeout=_CLOSING_LIMIT)
    # Asking for the exception marks it as seen.
    if task.done() and not task.cancelled() and task.exception() is None and hasattr(task.result(), "aclose"):
        # A listener can close streams that have no method for it.
        listen_to(task.result())
        await _closed(task.result())


def _provider_limits(answer: Any) -> dict[str, str]:
    """What the provider's headers said of its rate limits, by an answer or a stream of LiteLLM's. It keeps all headers,
    with a prefix, beside its own."""
    hidden = getattr(answer, "_hidden_params", None)
    headers = hidden.get("additional_headers") if isinstance(hidden, Mapping) else None
    if not isinstance(headers, Mapping):
        return {}
    given = ((str(name), str(value)) for name, value in headers.items())
    return limit_headers({name[len(_RAW) :]: value for name, value in given if name.startswith(_RAW)})


_RAW = "llm_provider-"


class LiteLLMBackend:
    def __init__(self, deployment: Deployment, request_timeout: float, relays_limits: bool = False) -> None:
        self._deployment = deployment
        self._relays_limits = relays_limits
        self._timeout = float(deployment.timeout or request_timeout)
        self._scrub = Scrubber(deployment.secrets())
        self._target: LiteLLMTarget | None = None
        self._lifetimes = _ConnectionLifetimes()
        self._text_client: Any = None

    @generated
    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        litellm = await _loaded()
        # It imports LiteLLM itself, so it comes after that is ready.
        from app.backends.litellm.conversion import from_litellm, with_usage

        if self._is_text_completion(litellm, request):
            response, answer = await self._text(litellm, request, attempt)
            yield (Received(as_chunk(response), None, self._limits(answer, attempt)),)
            return
        wrapper = await self._call(litellm, request, attempt, stream=True)
        facts, started, limits = listen_to(wrapper), False, self._limits(wrapper, attempt)
        repair, signs_thinking = ChunkRepair(facts), self._its_target(litellm).signs_thinking
        try:
            while (chunk := await self._next(wrapper, started)) is not None:
                started = True
                converted = with_usage(from_litellm(chunk, signs_thinking), facts)
                if _ends(converted):
                    _check_end(wrapper, facts)
                batch, error = _sound(repair.feed(converted))
                if batch and limits is not None:
                    batch[0], limits = batch[0].with_limits(limits), None
                if batch:
                    yield batch
                if error is not None:
                    raise error
            _check_end(wrapper, facts)
            batch, error = _sound(repair.finish())
            if batch:
                yield batch
            if error is not None:
                raise error
        finally:
            await self._lifetimes.close(wrapper)

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        response, answer = await self._completed(request, attempt)
        return Received(response, None, self._limits(answer, attempt))

    async def _completed(self, request: Request, attempt: Attempt) -> tuple[ModelResponse, Any]:
        """The response, and LiteLLM's object that it was made of."""
        litellm = await _loaded()
        from app.backends.litellm.conversion import from_litellm

        if request.operation == "embeddings":
            return await self._vectors(litellm, request, attempt)
        if self._is_text_completion(litellm, request):
            return await self._text(litellm, request, attempt)
        answer = await self._call(litellm, request, attempt, stream=False)
        response = from_litellm(answer, self._its_target(litellm).signs_thinking)
        try:
            return refuse_failed(without_server_calls(response)), answer
        except ProviderFailed as failure:
            raise _broken_off(failure) from None

    async def count_tokens(self, request: Request) -> int:
        litellm = await _loaded()
        given = self._arguments(litellm, request, {}, stream=False)
        # Tokenizers take milliseconds for a long prompt: not on the event loop.
        return await asyncio.to_thread(
            litellm.token_counter, model=self._deployment.model, messages=given["messages"], tools=given.get("tools")
        )

    async def aclose(self) -> None:
        await self._lifetimes.aclose()
        if self._text_client is not None:
            await self._text_client.close()
        await loading.close_clients(self)

    def _is_text_completion(self, litellm: ModuleType, request: Request) -> bool:
        return request.operation == "text_completion" and takes_texts(
            litellm, self._its_target(litellm), self._deployment.model
        )

    async def _text(self, litellm: ModuleType, request: Request, attempt: Attempt) -> tuple[ModelResponse, Any]:
        given = text_arguments(request, self._deployment, **self._common(litellm, attempt.trace_headers))
        if self._text_client is None:
            self._text_client = text_client(litellm, self._deployment, self._timeout)
        answer = await self._answer(litellm.atext_completion(client=self._text_client, **given), attempt)
        return from_text_completion(answer), answer

    async def _vectors(self, litellm: ModuleType, request: Request, attempt: Attempt) -> tuple[ModelResponse, Any]:
        given = embedding_arguments(request, self._deployment, **self._common(litellm, attempt.trace_headers))
        answer = await self._answer(litellm.aembedding(**given), attempt)
        return from_embedding(answer), answer

    def _limits(self, answer: Any, attempt: Attempt) -> dict[str, str] | None:
        """Tell telemetry of the provider's limits; returned are those that clients are told of."""
        limits = _provider_limits(answer)
        attempt.allowed(tuple(allowances(limits)))
        return limits if self._relays_limits else None

    async def _call(self, litellm: ModuleType, request: Request, attempt: Attempt, *, stream: bool) -> Any:
        attempt.left_out_tools(left_out_tools(request, form_of(request, self._its_target(litellm))))
        arguments = self._arguments(litellm, request, attempt.trace_headers, stream=stream)
        return await self._answer(litellm.acompletion(**arguments), attempt)

    async def _answer(self, asking: Coroutine[Any, Any, Any], attempt: Attempt) -> Any:
        from app.backends.litellm.errors import translate

        loading.use_clients(self)
        # LiteLLM does not tell when the request goes out.
        attempt.is_sent = True
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
            "target": self._its_target(litellm),
            "timeout": self._timeout,
            "reserved": loading.reserved_names(),
            "trace_headers": trace_headers,
        }

    def _its_target(self, litellm: ModuleType) -> LiteLLMTarget:
        if self._target is None:
            self._target = self._find_target(litellm)
        return self._target

    def _find_target(self, litellm: ModuleType) -> LiteLLMTarget:
        model, params = self._deployment.model, self._deployment.params
        try:
            _, name, _, _ = litellm.get_llm_provider(
                model=model,
                custom_llm_provider=params.get("custom_llm_provider"),
                api_base=base_of(params),
            )
        except Exception as error:
            raise UpstreamFailed(
                "The gateway's configuration of this model names no known provider.", upstream_status=403, detail=model
            ) from error
        return target_of(name, self._deployment, litellm.openai_compatible_providers)


async def _loaded() -> ModuleType:
    """LiteLLM, imported in a thread at the first call, which takes seconds."""
    ready = loading.loaded()
    return ready if ready is not None else await asyncio.to_thread(loading.load)


def _check_end(wrapper: Any, facts: ChunkFacts) -> None:
    """Raise `UpstreamTruncated` if the provider sent no finish reason. LiteLLM makes one up for a stream that was cut
    off."""
    if not (wrapper.received_finish_reason or facts.finish_reasons):
        raise UpstreamTruncated("The provider's stream stopped before its end.", detail="no finish reason")


def _sound(chunks: Iterable[ModelResponse]) -> tuple[list[Received], UpstreamFailed | None]:
    """The chunks up to one by which the provider says that it failed, with what else that one says; and the error."""
    sound: list[Received] = []
    try:
        # One by one: those before a bad one count.
        sound.extend(Received(refuse_failed(chunk)) for chunk in chunks)
    except ProviderFailed as failure:
        if failure.partial is not None and (failure.partial.usage is not None or is_substantial(failure.partial)):
            sound.append(Received(failure.partial))
        return sound, _broken_off(failure)
    return sound, None


def _broken_off(failure: ProviderFailed) -> UpstreamFailed:
    reason = failure.error.get("type")
    return UpstreamFailed(f"{failure.error.get('message')} ({reason})", detail=f"finish reason {reason}")


def _ends(chunk: ModelResponse) -> bool:
    return any(choice.finish_reason for choice in chunk.choices)

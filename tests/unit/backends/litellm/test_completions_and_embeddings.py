"""Embeddings and legacy completions by way of LiteLLM, on the wire."""

import base64
import struct
from typing import Any

import pytest

from app.backends import make_backend
from app.backends.litellm.completions_and_embeddings import embedding_arguments
from app.backends.litellm.parameters import LiteLLMTarget
from app.dialects import openai_completions, openai_embeddings
from app.errors import BackendError, GatewayError, InvalidRequest, UpstreamRejected, UpstreamTruncated
from app.messages import ModelResponse, Request
from app.messages import Received as Chunk
from app.providers import ThinkingHistory
from app.settings import Deployment
from app.stages import pieces_of
from tests.support import run
from tests.unit.backends.completions_and_embeddings import COMPLETED, EMBEDDED, complete, embed, text_events
from tests.unit.backends.fakes import FakeAttempt, text_of
from tests.upstream import (
    Body,
    Fin,
    Head,
    Received,
    ScriptedUpstream,
    Step,
    anthropic_text_events,
    json_reply,
    openai_error,
    stream_of,
)


async def _asked(
    request: Request, script: list[Step], model: str, **params: Any
) -> tuple[list[ModelResponse], GatewayError | None, list[Received]]:
    async with ScriptedUpstream(script) as upstream:
        base = upstream.url if model.startswith("anthropic/") else f"{upstream.url}/v1"
        given = {"api_key": "sk-canary", "api_base": base, **params}
        backend = make_backend(Deployment(id="d", model_name="m", model=model, provider="p", params=given))
        chunks: list[ModelResponse] = []
        try:
            if request.stream:
                async for batch in pieces_of(backend.stream(request, FakeAttempt())):
                    chunks.extend(received.chunk for received in batch)
            else:
                chunks.append((await backend.complete(request, FakeAttempt())).chunk)
        except GatewayError as error:
            return chunks, error, upstream.requests
        finally:
            await backend.aclose()
        return chunks, None, upstream.requests


def asked(
    request: Request, script: list[Step], model: str = "openai/davinci", **params: Any
) -> tuple[list[ModelResponse], GatewayError | None, list[Received]]:
    return run(_asked(request, script, model, **params), timeout=30)


def test_texts_are_asked_for_where_there_are_any() -> None:
    request = complete(["a", "b"], n=1, echo=True, logprobs=2, x_own=1, api_base="http://127.0.0.1:9")
    [response], error, [sent] = asked(request, json_reply(COMPLETED))
    assert error is None
    assert sent.path == "/v1/completions"
    expected = {"model": "davinci", "prompt": ["a", "b"], "n": 1, "echo": True, "logprobs": 2, "x_own": 1}
    assert sent.json() == expected
    body = openai_completions.encode_response(response, request)
    texts = [(choice["index"], choice["text"], choice["finish_reason"]) for choice in body["choices"]]
    assert texts == [(0, "A", "stop"), (1, "B", "length")]
    assert body["usage"]["total_tokens"] == 5


def test_a_stream_of_texts_is_asked_for_whole_as_litellm_would_hide_that_it_was_cut() -> None:
    [chunk], error, [sent] = asked(complete(stream=True), json_reply(COMPLETED))
    assert error is None
    assert "stream" not in sent.json()
    assert [(one.delta.content, one.finish_reason) for one in chunk.choices if one.delta] == [
        ("A", "stop"),
        ("B", "length"),
    ]
    assert chunk.usage is not None
    cut: list[Step] = [Head(content_type="application/json"), Body(b'{"id": "x"'), Fin()]
    assert isinstance(asked(complete(stream=True), cut)[1], BackendError)


def test_who_only_chats_is_asked_in_a_chat() -> None:
    request = complete(stream=True, max_tokens=5, stop="x")
    chunks, error, [sent] = asked(request, stream_of(anthropic_text_events("Hel", "lo")), "anthropic/claude-x")
    assert error is None
    assert text_of(chunks) == "Hello"
    assert sent.json()["messages"][0]["content"] in ("hello", [{"type": "text", "text": "hello"}])
    assert sent.json()["max_tokens"] == 5
    formatter = openai_completions.DIALECT.formatter(request, "txn", 7)
    body = b"".join([formatter.format(Chunk(chunk)) for chunk in chunks]) + formatter.finish()
    assert body.count(b'"text":"') >= 2
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_chat_that_is_cut_off_stays_an_error() -> None:
    events = anthropic_text_events("Hel", "lo")
    error = asked(complete(stream=True), stream_of(events[:3]), "anthropic/claude-x")[1]
    assert isinstance(error, UpstreamTruncated)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (complete(["a", "b"]), "prompt"),
        (complete([1, 2]), "prompt"),
        (complete(suffix="x"), "suffix"),
        (complete(echo=True), "echo"),
        (complete(best_of=2, stream=True), "best_of"),
    ],
)
def test_what_a_chat_cannot_say_is_refused_by_name(request_: Request, param: str) -> None:
    _, error, requests = asked(request_, [], "anthropic/claude-x")
    assert isinstance(error, InvalidRequest)
    assert error.param == param
    assert not requests


@pytest.mark.parametrize(("given", "wanted"), [("a", "float"), (["a", "b"], "base64"), ([[1, 2], [3]], None)])
def test_vectors_come_as_they_were_asked_for(given: Any, wanted: str | None) -> None:
    request = embed(given, **({"encoding_format": wanted} if wanted else {}))
    [response], error, [sent] = asked(request, json_reply(EMBEDDED), "openai/text-embedding-3-small")
    assert error is None
    assert sent.path == "/v1/embeddings"
    assert sent.json()["input"] == given
    body = openai_embeddings.encode_response(response, request)
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    [vector] = [one["embedding"] for one in body["data"]]
    if wanted == "base64":
        assert struct.unpack("<2f", base64.b64decode(vector)) == (0.25, -0.5)
    else:
        assert vector == [0.25, -0.5]


def test_dimensions_that_a_model_does_not_have_are_refused() -> None:
    error = asked(embed(dimensions=2), json_reply(EMBEDDED), "openai/text-embedding-ada-002")[1]
    assert isinstance(error, UpstreamRejected)
    assert error.status == 400


def test_a_refusal_of_the_provider_keeps_its_status() -> None:
    for request in (embed(), complete()):
        error = asked(request, openai_error(429, "slow down", {"retry-after": "3"}))[1]
        assert isinstance(error, BackendError)
        assert (error.status, error.retry_after) == (429, 3)


def test_providers_that_are_not_openai_compatible_get_no_words_of_openais() -> None:
    deployment = Deployment(id="d", model_name="m", model="cohere/embed", provider="cohere")
    request = embed(encoding_format="base64", user="u", dimensions=3, x_own=1)
    cohere = LiteLLMTarget(
        "cohere", openai_compatible=False, claude=False, top_k=True, signs_thinking=False, history=ThinkingHistory()
    )
    passed = embedding_arguments(request, deployment, cohere, timeout=5, reserved=frozenset())
    fixed = {"model": "cohere/embed", "timeout": 5, "max_retries": 0, "num_retries": 0, "drop_params": False}
    assert passed == {"input": "hello", "dimensions": 3, **fixed}


def test_the_events_of_these_tests_are_a_whole_stream() -> None:
    assert text_events("a")[-1] == b"data: [DONE]\n\n"

"""Embeddings and legacy completions, asked directly."""

import json
from typing import Any

import pytest

from app.errors import BackendError, UpstreamFailed, UpstreamTruncated
from app.messages import Received as Chunk
from app.messages import Request
from tests.support import run
from tests.unit.backends.completions_and_embeddings import COMPLETED, EMBEDDED, complete, embed, text_events, written
from tests.unit.backends.direct.rig import KEY, OPENAI, backend_at, body_of, read
from tests.unit.backends.fakes import FakeAttempt, text_of
from tests.upstream import Body, End, Fin, Head, Received, ScriptedUpstream, Step, json_reply, openai_error, stream_of


def answered(
    request: Request, script: list[Step], model: str = OPENAI, **params: Any
) -> tuple[Chunk, Received, FakeAttempt]:
    async def main() -> tuple[Chunk, Received, FakeAttempt]:
        attempt = FakeAttempt()
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, model, **params) as backend:
            return await backend.complete(request, attempt), upstream.requests[0], attempt

    return run(main())


def streamed(request: Request, script: list[Step], **params: Any) -> tuple[list[Chunk], BackendError | None, bytes]:
    async def main() -> tuple[list[Chunk], BackendError | None, bytes]:
        async with ScriptedUpstream(script) as upstream, backend_at(upstream, **params) as backend:
            chunks, error = await read(backend, request)
            assert error is None or isinstance(error, BackendError)
            return chunks, error, upstream.requests[0].body

    return run(main())


@pytest.mark.parametrize(
    ("request_", "answer", "path"),
    [
        (embed(["a", "b\u00e9"], dimensions=2, user="u"), EMBEDDED, "/v1/embeddings"),
        (embed([[1, 2], [3]], encoding_format="base64"), EMBEDDED, "/v1/embeddings"),
        (complete(["a", [1, 2]], n=2, echo=True, x_unknown={"y": None}), COMPLETED, "/v1/completions"),
    ],
)
def test_the_clients_body_goes_out_as_it_came_with_the_providers_name_of_the_model(
    request_: Request, answer: dict[str, Any], path: str
) -> None:
    reply = json_reply(answer, headers={"x-request-id": "req_1"})
    response, sent, attempt = answered(request_, reply)
    assert sent.path == path
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert request_.raw is not None
    assert sent.body == request_.raw.replace(b'"m"', b'"gpt-x"')
    assert response.native is not None
    assert json.loads(response.native.raw) == answer
    assert response.chunk.model == "served"
    assert response.chunk.usage is not None
    assert response.chunk.usage.prompt_tokens == 3
    assert attempt.calls == [("responded", 200), ("request_id", "req_1")]


@pytest.mark.parametrize(
    ("request_", "answer", "resource"), [(embed(), EMBEDDED, "embeddings"), (complete(), COMPLETED, "completions")]
)
def test_azure_is_asked_by_deployment_and_key(request_: Request, answer: dict[str, Any], resource: str) -> None:
    async def main() -> Received:
        async with (
            ScriptedUpstream(json_reply(answer)) as upstream,
            backend_at(upstream, "azure/d1", api_base=upstream.url) as backend,
        ):
            await backend.complete(request_, FakeAttempt())
            return upstream.requests[0]

    sent = run(main())
    assert sent.path == f"/openai/deployments/d1/{resource}?api-version=2025-02-01-preview"
    assert sent.headers["api-key"] == KEY


@pytest.mark.parametrize("base", ["", "/chat/completions", "/embeddings"])
def test_a_base_may_name_a_resource(base: str) -> None:
    async def main() -> str:
        async with (
            ScriptedUpstream(json_reply(EMBEDDED)) as upstream,
            backend_at(upstream, api_base=f"{upstream.url}/v1{base}") as backend,
        ):
            await backend.complete(embed(), FakeAttempt())
            return upstream.requests[0].path

    assert run(main()) == "/v1/embeddings"


def test_usage_is_asked_of_a_stream_whose_client_did_not() -> None:
    request = complete(stream=True)
    chunks, error, sent = streamed(request, stream_of(text_events("Hel", "lo")))
    assert error is None
    assert text_of(chunks) == "Hello"
    assert body_of(chunks) == b"".join(text_events("Hel", "lo"))
    assert [one.chunk.usage.completion_tokens for one in chunks if one.chunk.usage] == [2]
    assert request.raw is not None
    assert sent.startswith(request.raw.replace(b'"m"', b'"gpt-x"')[:-2])
    assert json.loads(sent) == {**json.loads(request.raw), "model": "gpt-x", "stream_options": {"include_usage": True}}


def test_who_asked_for_usage_has_nothing_changed() -> None:
    request = complete(stream=True, stream_options={"include_usage": True})
    assert request.raw is not None
    sent = streamed(request, stream_of(text_events("Hello")))[2]
    assert sent == request.raw.replace(b'"m"', b'"gpt-x"')


def test_the_operators_word_is_added_and_what_he_takes_away_is_gone() -> None:
    params: dict[str, Any] = {"dimensions": 5, "extra_body": {"user": "operator"}, "extra_headers": {"X-Own": "1"}}
    _, sent, _ = answered(embed(user="client", dimensions=2), json_reply(EMBEDDED), **params)
    assert sent.body == written({"model": "gpt-x", "input": "hello", "user": "operator", "dimensions": 2})
    assert sent.headers["x-own"] == "1"
    _, sent, _ = answered(embed(user="client"), json_reply(EMBEDDED), additional_drop_params=["user"])
    assert sent.json() == {"model": "gpt-x", "input": "hello"}


def test_a_changed_request_is_encoded_anew() -> None:
    changed = complete(["a", "b"], echo=True).map_text(str.upper)
    _, sent, _ = answered(changed, json_reply(COMPLETED))
    assert sent.json() == {"model": "gpt-x", "prompt": ["A", "B"], "echo": True}


def test_millions_of_numbers_are_handed_on_unread() -> None:
    body = b'{"object":"list", "data" : [{"embedding":[0.10, 2e-3]}], "model":"served","usage":{"prompt_tokens":3}}'
    script: list[Step] = [Head(content_type="application/json"), Body(body), End()]
    response, _, _ = answered(embed(), script)
    assert response.native is not None
    assert response.native.raw == body


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<html>Oh no</html>", "text/html"),
        (b"<html>Oh no</html>", "application/json"),
        (b"Oh no", "application/json"),
        (b'["Oh no"]', "application/json"),
        (b'{"error": {"message": "Oh no"}}', "application/json"),
        (b'{"data": "Oh no"}', "application/json"),
        (b'{"Oh no": [], "choices": []}', "application/json"),
    ],
)
@pytest.mark.parametrize("request_", [embed(), complete()], ids=["embeddings", "completions"])
def test_what_is_no_answer_is_named_and_only_a_page_shown(request_: Request, data: bytes, content_type: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answered(request_, [Head(content_type=content_type), Body(data), End()])
    assert ("Oh no" in str(caught.value.detail)) is (content_type == "text/html")
    assert caught.value.detail
    assert caught.value.outcome == "upstream_error"


@pytest.mark.parametrize("request_", [embed(), complete()], ids=["embeddings", "completions"])
@pytest.mark.parametrize("ending", [[Body(b'{"id": "x"'), Fin()], [End()], [Body(b"  \n"), End()]])
def test_an_answer_that_is_cut_off_or_empty_is_truncated(request_: Request, ending: list[Step]) -> None:
    with pytest.raises(UpstreamTruncated):
        answered(request_, [Head(content_type="application/json"), *ending])


@pytest.mark.parametrize("upto", range(5))
def test_a_stream_that_stops_early_is_truncated(upto: int) -> None:
    chunks, error, _ = streamed(complete(stream=True), stream_of(text_events("Hel", "lo")[:upto]))
    assert isinstance(error, UpstreamTruncated)
    assert len(chunks) == upto


def test_an_error_in_a_stream_keeps_its_meaning() -> None:
    failed = b'data: {"error": {"message": "overheated", "type": "server_error"}}\n\n'
    chunks, error, _ = streamed(complete(stream=True), stream_of([*text_events("Hel")[:1], failed]))
    assert len(chunks) == 1
    assert isinstance(error, UpstreamFailed)
    assert error.upstream_status == 500


def test_a_refusal_has_the_providers_words() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answered(embed(), openai_error(429, "slow down", {"retry-after": "3"}))
    assert (caught.value.status, caught.value.retry_after) == (429, 3)

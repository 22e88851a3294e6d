"""Which of OpenAI's two APIs a provider is asked at, before a scripted provider."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from app.backends import make_backend
from app.backends.direct import OpenAIBackend
from app.backends.stored_responses import StoredCall
from app.errors import GatewayError, InvalidRequest, UpstreamFailed, UpstreamRejected, UpstreamTruncated
from app.messages import Received as Chunk
from app.messages import Request
from app.providers import ResponsesApi
from app.stages import pieces_of
from tests.support import run
from tests.unit.backends.direct.rig import OPENAI, body_of, deployment
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.unit.dialects.openai_responses.events import ended, message, stream, text_events
from tests.upstream import (
    Body,
    Head,
    Received,
    Script,
    ScriptedUpstream,
    json_reply,
    openai_completion,
    openai_error,
    openai_events,
    stream_of,
)

ASKED = ask(dialect="openai_responses")
RESPONSES = stream(text_events("Hi")).body
CHAT = stream_of(openai_events({"content": "Hi"}))


def provider(responses: Script, chat: Script = CHAT) -> Callable[[int, Received], Script]:
    return lambda number, request: responses if request.path.endswith("/responses") else chat


def refusal(status: int, body: str, kind: str = "text/plain") -> Script:
    return [Head(status, {"content-length": str(len(body))}, kind, chunked=False), Body(body.encode())]


async def asked(
    script: Callable[[int, Received], Script], *requests: Request, api: ResponsesApi = "unknown", whole: bool = False
) -> tuple[list[str], list[Chunk], GatewayError | None]:
    """The paths that were asked, and what the last request came to."""
    async with ScriptedUpstream(script) as upstream:
        made = replace(deployment(OPENAI, api_base=f"{upstream.url}/v1"), responses=api)
        backend = make_backend(made, request_timeout=5.0)
        assert isinstance(backend, OpenAIBackend)
        chunks: list[Chunk] = []
        error: GatewayError | None = None
        try:
            for request in requests:
                chunks, error = [], None
                try:
                    if whole:
                        chunks = [await backend.complete(request, FakeAttempt())]
                    else:
                        async for batch in pieces_of(backend.stream(request, FakeAttempt())):
                            chunks += batch
                except GatewayError as failure:
                    error = failure
        finally:
            await backend.aclose()
        return [request.path for request in upstream.requests], chunks, error


NO_ROUTE = [
    openai_error(404, "Invalid URL (POST /v1/responses)"),
    json_reply({"detail": "Not Found"}, 404),
    json_reply({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}, 404),
    refusal(404, "404 page not found"),
    refusal(405, "<html>Not allowed</html>", "text/html"),
    openai_error(501, "not implemented"),
]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("absent", NO_ROUTE)
def test_where_there_is_no_such_route_it_becomes_a_chat_and_stays_one(absent: Script, whole: bool) -> None:
    chat = json_reply(openai_completion({"content": "Hi"})) if whole else CHAT
    paths, chunks, error = run(asked(provider(absent, chat), ASKED, ASKED, whole=whole))
    assert paths == ["/v1/responses", *["/v1/chat/completions"] * 2]
    assert error is None
    parts = [choice.delta or choice.message for one in chunks for choice in one.chunk.choices]
    assert "".join(one.content or "" for one in parts if one) == "Hi"


def test_where_there_is_one_the_providers_bytes_come_through() -> None:
    paths, chunks, error = run(asked(provider(stream_of([RESPONSES])), ASKED, ASKED))
    assert (paths, error, body_of(chunks)) == (["/v1/responses"] * 2, None, RESPONSES)


NOT_ABOUT_THE_ROUTE = [
    json_reply({"error": {"message": "The model `x` does not exist.", "param": "model", "code": 404}}, 404),
    json_reply({"error": "model 'x' not found"}, 404),
    json_reply({"error": {"message": "Not found.", "param": "previous_response_id"}}, 404),
    json_reply({"error": {"message": "Previous response with id 'r' not found."}}, 404),
]


@pytest.mark.parametrize("refused", NOT_ABOUT_THE_ROUTE)
def test_a_model_or_an_answer_that_is_not_there_is_the_clients_error(refused: Script) -> None:
    paths, _, error = run(asked(provider(refused), ASKED))
    assert paths == ["/v1/responses"]
    assert error is not None
    assert (error.status, error.outcome) == (404, "client_error")


def test_where_neither_route_is_there_the_client_hears_of_the_chat_and_nothing_is_remembered() -> None:
    absent, chat = openai_error(404, "no route"), openai_error(404, "no chat either")
    paths, _, error = run(asked(provider(absent, chat), ASKED, ASKED))
    assert paths == ["/v1/responses", "/v1/chat/completions"] * 2
    assert error is not None
    assert "no chat either" in error.message


def test_one_who_is_known_to_have_it_is_believed() -> None:
    paths, _, error = run(asked(provider(openai_error(404, "no route")), ASKED, api="offered"))
    assert paths == ["/v1/responses"]
    assert error is not None
    assert (error.status, error.outcome) == (404, "client_error")


def test_an_error_of_another_kind_says_nothing_of_the_route() -> None:
    paths, _, error = run(asked(provider(openai_error(500, "down")), ASKED))
    assert paths == ["/v1/responses"]
    assert isinstance(error, UpstreamFailed)


def test_what_only_the_api_can_do_is_refused_by_name_where_there_is_none() -> None:
    request = ask(dialect="openai_responses", extra={"background": True})
    paths, _, error = run(asked(provider(openai_error(404, "no route")), request))
    assert paths == ["/v1/responses"]
    assert isinstance(error, InvalidRequest)
    assert error.param == "background"


def test_a_chat_is_asked_as_a_chat() -> None:
    paths, _, error = run(asked(provider(stream_of([RESPONSES])), ask()))
    assert (paths, error) == (["/v1/chat/completions"], None)


FAILED: list[dict[str, Any]] = [
    {"type": "error", "error": {"type": "rate_limit_error", "message": "Too much."}},
    {"type": "error", "code": "rate_limit_exceeded", "message": "Too much."},
    {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Too much."}}},
]


@pytest.mark.parametrize("event", FAILED)
def test_a_failure_in_a_stream_keeps_its_meaning(event: dict[str, Any]) -> None:
    body = b"".join(chunk.native.raw for chunk in stream(text_events("a")).chunks[:4] if chunk.native)
    body += b"data: " + json.dumps(event).encode() + b"\n\n"
    _, chunks, error = run(asked(provider(stream_of([body])), ASKED))
    assert len(chunks) == 4
    assert isinstance(error, UpstreamFailed)
    assert (error.status, error.message.startswith("Too much.")) == (429, True)


def test_a_whole_response_that_failed_is_an_error() -> None:
    body = ended(message("a"), status="failed", error={"code": "server_error", "message": "It broke."})["response"]
    _, _, error = run(asked(provider(json_reply(body)), ASKED, whole=True))
    assert isinstance(error, UpstreamFailed)
    assert error.message.startswith("It broke.")


async def kept(script: Script, call: StoredCall) -> tuple[bytes | None, GatewayError | None, Received]:
    async with ScriptedUpstream(script) as upstream:
        made = replace(deployment(OPENAI, api_base=f"{upstream.url}/v1"), responses="offered")
        backend = make_backend(made, request_timeout=5.0)
        assert isinstance(backend, OpenAIBackend)
        try:
            return await backend.stored(call, FakeAttempt()), None, upstream.requests[0]
        except GatewayError as error:
            return None, error, upstream.requests[0]
        finally:
            await backend.aclose()


def test_what_a_provider_keeps_comes_through_byte_for_byte() -> None:
    body = b'{"id": "resp_1",  "status":"failed","error":{"message":"It broke."}}'
    script: Script = [Head(200, {"content-length": str(len(body))}, "application/json", chunked=False), Body(body)]
    kept_body, error, request = run(kept(script, StoredCall("POST", "resp_1", "/cancel")))
    assert (kept_body, error) == (body, None)
    assert (request.method, request.path, request.body) == ("POST", "/v1/responses/resp_1/cancel", b"")


def test_a_deleted_response_needs_no_word() -> None:
    nothing: Script = [Head(200, {"content-length": "0"}, "application/json", chunked=False)]
    assert run(kept(nothing, StoredCall("DELETE", "resp_1")))[:2] == (b"", None)
    _, error, _ = run(kept(nothing, StoredCall("GET", "resp_1")))
    assert isinstance(error, UpstreamTruncated)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (refusal(200, "<html>Hello</html>", "text/html"), UpstreamFailed),
        (refusal(200, '{"id": ', "application/json"), UpstreamFailed),
        (openai_error(404, "Response with id 'resp_1' not found."), UpstreamRejected),
    ],
)
def test_what_is_no_kept_response_is_an_error(script: Script, kind: type[GatewayError]) -> None:
    kept_body, error, _ = run(kept(script, StoredCall("GET", "resp_1")))
    assert kept_body is None
    assert type(error) is kind

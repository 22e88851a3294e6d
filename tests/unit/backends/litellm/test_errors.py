"""The translation of LiteLLM's failures: as a provider's answers through LiteLLM, and on plain exceptions."""

import errno
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from app.backends.litellm.backend import LiteLLMBackend
from app.backends.litellm.errors import translate
from app.errors import (
    BackendError,
    LocalFailure,
    ModelMissing,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.messages import ImagePart, InputMessage, Request, TextPart
from app.settings import Deployment
from app.stages import pieces_of
from tests.support import run
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.upstream import (
    Body,
    Fin,
    Head,
    Received,
    Script,
    ScriptedUpstream,
    anthropic_error,
    json_reply,
    openai_error,
)

KEY = "sk-canary-0123456789abcdef"
OPENAI, ANTHROPIC, VLLM = "openai/gpt-5", "anthropic/claude-sonnet-4-5", "hosted_vllm/llama"
RETRY = {"retry-after": "7"}


def failure(
    script: Script | Callable[[int, Received], Script], model: str, stream: bool = True, **params: object
) -> BackendError:
    async def main() -> BackendError:
        async with ScriptedUpstream(script) as upstream:
            base = upstream.url if model == ANTHROPIC else f"{upstream.url}/v1"
            given = {"api_key": KEY, "api_base": base, **params}
            deployment = Deployment(id="d", model_name="m", model=model, provider="p", params=given)
            backend = LiteLLMBackend(deployment, 5)
            asked = (
                anext(pieces_of(backend.stream(ask(), FakeAttempt())))
                if stream
                else backend.complete(ask(), FakeAttempt())
            )
            with pytest.raises(BackendError) as raised:
                await asked
            return raised.value

    return run(main(), timeout=30)


def answer(model: str, status: int, message: str) -> Script:
    if model == ANTHROPIC:
        return anthropic_error(status, "some_error", message, RETRY)
    return openai_error(status, message, RETRY)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM, "azure/gpt", "gemini/gemini-2.5-flash"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(model: str, stream: bool, status: int) -> None:
    asked: list[str] = []

    def script(number: int, request: Received) -> Script:
        asked.append(request.path)
        return json_reply({}, status, {"location": "/elsewhere"})

    error = failure(script, model, stream)
    assert (type(error), error.status) == (UpstreamFailed, 502)
    assert len(asked) == 1


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_an_answer_that_litellm_does_not_understand_is_not_told_in_pythons_words(model: str) -> None:
    script: Script = [Head(200, {"content-length": "13"}, "text/html", chunked=False), Body(b"<html></html>")]
    error = failure(script, model, stream=False)
    assert isinstance(error, UpstreamFailed)
    assert len(error.message) > 10


@pytest.mark.parametrize("error", [KeyError(0), TypeError("'NoneType' object is not subscriptable"), IndexError("x")])
def test_what_python_says_of_an_answer_is_for_nobody(error: Exception) -> None:
    found = translate(error, str)
    assert (type(found), found.message) == (UpstreamFailed, "The provider's answer could not be understood.")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
@pytest.mark.parametrize(
    ("status", "kind", "ours", "retryable"),
    [
        (400, UpstreamRejected, 400, False),
        (401, UpstreamFailed, 502, False),
        (402, UpstreamFailed, 502, False),
        (403, UpstreamFailed, 502, False),
        (404, ModelMissing, 404, False),
        (408, UpstreamFailed, 408, True),
        (409, UpstreamFailed, 409, True),
        (413, UpstreamRejected, 413, False),
        (422, UpstreamRejected, 422, False),
        (429, UpstreamFailed, 429, True),
        (500, UpstreamFailed, 500, True),
        (502, UpstreamFailed, 502, True),
        (503, UpstreamFailed, 503, True),
        (504, UpstreamFailed, 504, True),
        (529, UpstreamFailed, 529, True),
    ],
)
def test_a_providers_status(
    status: int, kind: type[UpstreamFailed], ours: int, retryable: bool, model: str, stream: bool
) -> None:
    error = failure(answer(model, status, f"the provider says {KEY}"), model, stream)
    assert type(error) is kind
    assert isinstance(error, UpstreamFailed)
    assert (error.upstream_status, error.status, error.retryable) == (status, ours, retryable)
    assert KEY not in f"{error.message}{error.detail}"
    if status in (401, 402, 403):
        assert "the provider says" not in error.message
    else:
        assert error.message == "the provider says [redacted]"
        assert error.retry_after == 7


def test_a_secret_in_a_header_of_the_operators_is_not_passed_on() -> None:
    secret = "canary-of-a-header-0123456789"
    headers: dict[str, Any] = {"extra_headers": {"x-portal": secret, "Authorization": f"Bearer {secret[::-1]}"}}
    error = failure(openai_error(400, f"got {secret} and {secret[::-1]}"), OPENAI, **headers)
    assert error.message == "got [redacted] and [redacted]"
    assert secret not in f"{error.detail}{getattr(error, 'body', '')}"


def test_words_in_a_message_do_not_change_the_status() -> None:
    error = failure(openai_error(500, "invalid_request_error: rate limit 429"), OPENAI)
    assert isinstance(error, UpstreamFailed)
    assert error.upstream_status == 500


def test_a_context_window_that_is_full_is_the_callers_to_know() -> None:
    message = "This model's maximum context length is 8192 tokens, however you requested 9000."
    error = failure(openai_error(400, message), OPENAI)
    assert isinstance(error, UpstreamRejected)
    assert error.message == message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "Wed, 21 Oct 2020 07:28:00 GMT"}, 0), ({}, None)],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert failure(openai_error(429, "slow", headers), OPENAI).retry_after == seconds


def test_a_proxys_html_is_not_passed_on() -> None:
    page = b"<html>nginx</html>"
    script: Script = [Head(502, {"content-length": str(len(page))}, "text/html", chunked=False), Body(page)]
    assert failure(script, OPENAI).message == "The provider answered with status 502."


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_a_connection_that_closes_without_an_answer_is_unreachable(model: str, stream: bool) -> None:
    assert isinstance(failure([Fin()], model, stream), UpstreamUnreachable)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_half_of_a_whole_response_is_truncated(model: str) -> None:
    script: Script = [Head(200, {"content-length": "100"}, "application/json", chunked=False), Body(b'{"id":'), Fin()]
    assert isinstance(failure(script, model, stream=False), UpstreamTruncated)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_what_is_no_json_is_the_providers_failure(model: str) -> None:
    script: Script = [Head(200, {"content-length": "5"}, "application/json", chunked=False), Body(b"<oops")]
    error = failure(script, model, stream=False)
    assert isinstance(error, UpstreamFailed)
    assert error.retryable


def test_an_error_with_status_200_is_the_providers_failure() -> None:
    error = failure(json_reply({"error": {"message": "nope", "type": "x"}}), OPENAI, stream=False)
    assert isinstance(error, UpstreamFailed)


def test_a_model_that_litellm_does_not_know_is_not_the_callers_fault() -> None:
    async def main() -> None:
        deployment = Deployment(id="d", model_name="m", model="nonsense-model", provider="p")
        with pytest.raises(UpstreamFailed) as raised:
            await LiteLLMBackend(deployment, 5).complete(ask(), FakeAttempt())
        assert raised.value.status == 502

    run(main(), timeout=30)


def image(url: str) -> Request:
    request = ask("look")
    part = ImagePart(url=url)
    return replace(request, stream=False, messages=(InputMessage(role="user", parts=(TextPart("look"), part)),))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.png", "http://nowhere.invalid/a.png", "file:///etc/hostname"])
@pytest.mark.parametrize("model", ["gemini/gemini-2.0-flash", "anthropic/claude-sonnet-4-5"])
def test_an_image_that_cannot_be_had_is_the_requests_fault(model: str, url: str) -> None:
    """LiteLLM fetches it itself, and calls what goes wrong there a lost connection."""

    async def main() -> None:
        params = {"api_key": KEY, "api_base": "http://127.0.0.1:9"}
        backend = LiteLLMBackend(Deployment(id="d", model_name="m", model=model, provider="p", params=params), 5)
        with pytest.raises(UpstreamRejected) as raised:
            await backend.complete(image(url), FakeAttempt())
        assert raised.value.status == 400
        assert raised.value.message

    run(main(), timeout=30)


def test_a_provider_that_refuses_connections_is_still_unreachable() -> None:
    async def main() -> None:
        params = {"api_key": KEY, "api_base": "http://127.0.0.1:9"}
        backend = LiteLLMBackend(Deployment(id="d", model_name="m", model=OPENAI, provider="p", params=params), 5)
        with pytest.raises(UpstreamUnreachable):
            await backend.complete(image("http://127.0.0.1:1/a.png"), FakeAttempt())

    run(main(), timeout=30)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EMFILE, "Too many open files"), LocalFailure),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), LocalFailure),
        (socket.gaierror(socket.EAI_NONAME, "not known"), UpstreamUnreachable),
        (OSError(errno.ECONNREFUSED, "refused"), UpstreamUnreachable),
    ],
)
def test_what_this_machine_lacks_is_no_providers_fault(error: OSError, kind: type[BackendError]) -> None:
    wrapped = RuntimeError("APIConnectionError")
    wrapped.__cause__ = error
    assert type(translate(wrapped, str)) is kind


def test_a_403_about_the_input_is_the_callers_fault() -> None:
    body = json.dumps({"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}}).encode()
    script: Script = [Head(403, {"content-length": str(len(body))}, "application/json", chunked=False), Body(body)]
    error = failure(script, OPENAI)
    assert isinstance(error, UpstreamRejected)
    assert error.message == "flagged"

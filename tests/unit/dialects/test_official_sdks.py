"""The official SDKs, as clients of what the dialects render."""

import json
from collections.abc import Sequence

import anthropic
import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.dialects.errors import RenderedError
from app.dialects.passthrough import StreamFormatter
from app.errors import AuthenticationFailed, BreakerOpen, InternalError, InvalidRequest, UnknownModel, UpstreamTruncated
from app.messages import Choice, Message, ModelResponse, Received, ThinkingBlock, Usage
from tests.unit.dialects.samples import BOUNDED, call, chunk, chunks, request, usage_chunk

_USAGE = Usage(prompt_tokens=20, completion_tokens=7, cache_read_input_tokens=12)
_STREAM = (
    chunk(reasoning_content="Two "),
    chunk(reasoning_content="files."),
    chunk(thinking_blocks=(ThinkingBlock(signature="sig"),)),
    chunk(content="I will "),
    chunk(content="read."),
    chunk(tool_calls=(call("", 0, "a", "read"), call("", 1, "b", "write"))),
    chunk(tool_calls=(call('{"path": ', 0), call('{"text": ', 1))),
    chunk(tool_calls=(call('"x"}', 0), call('"y"}', 1))),
    chunk("tool_calls"),
    usage_chunk(_USAGE),
)
_WHOLE = ModelResponse(
    id="resp-1",
    created=1700000000,
    model="real-model",
    choices=(
        Choice(
            message=Message(
                content="I will read.",
                reasoning_content="Two files.",
                thinking_blocks=(ThinkingBlock(signature="sig"),),
                tool_calls=(call('{"path": "x"}', 0, "a", "read"), call('{"text": "y"}', 1, "b", "write")),
            ),
            finish_reason="tool_calls",
        ),
    ),
    usage=_USAGE,
)


def _body(formatter: StreamFormatter, stream: Sequence[ModelResponse]) -> bytes:
    return formatter.keepalive() + b"".join([formatter.format(Received(one)) for one in stream]) + formatter.finish()


def _openai_client(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> openai.OpenAI:
    kind = "application/json" if body.startswith(b"{") else "text/event-stream"
    reply = httpx.Response(status, content=body, headers={"content-type": kind, **(headers or {})})
    client = httpx.Client(transport=httpx.MockTransport(lambda _: reply))
    return openai.OpenAI(api_key="key", base_url="http://gateway/v1", http_client=client, max_retries=0)


def _anthropic_client(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> anthropic.Anthropic:
    kind = "application/json" if body.startswith(b"{") else "text/event-stream"
    reply = httpx2.Response(status, content=body, headers={"content-type": kind, **(headers or {})})
    client = httpx2.Client(transport=httpx2.MockTransport(lambda _: reply))
    return anthropic.Anthropic(api_key="key", base_url="http://gateway", http_client=client, max_retries=0)


def _openai_final(body: bytes) -> openai.types.chat.ChatCompletion:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
    with _openai_client(body) as client, client.chat.completions.stream(model="m", messages=messages) as stream:
        stream.until_done()
        # Not `get_final_completion`, which raises for `length` and `content_filter`.
        return stream.current_completion_snapshot


def _anthropic_final(body: bytes) -> anthropic.types.Message:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hi"}]
    with (
        _anthropic_client(body) as client,
        client.messages.stream(model="m", max_tokens=9, messages=messages) as stream,
    ):
        return stream.get_final_message()


def _responses_final(body: bytes) -> openai.types.responses.Response:
    with _openai_client(body) as client, client.responses.stream(model="m", input="hi") as stream:
        return stream.get_final_response()


def _openai_whole(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> openai.types.chat.ChatCompletion:
    with _openai_client(body, status, headers) as client:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def _anthropic_whole(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> anthropic.types.Message:
    with _anthropic_client(body, status, headers) as client:
        return client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])


def _check_openai(final: openai.types.chat.ChatCompletion) -> None:
    message = final.choices[0].message
    assert (final.id, final.model, final.choices[0].finish_reason) == ("resp-1", "real-model", "tool_calls")
    assert message.content == "I will read."
    assert message.model_extra is not None
    assert message.model_extra["reasoning_content"] == "Two files."
    assert message.model_extra["thinking_blocks"] == [
        {"index": 0, "type": "thinking", "thinking": "Two files.", "signature": "sig"}
    ]
    calls = [one for one in message.tool_calls or [] if one.type == "function"]
    assert [(one.id, one.function.name, one.function.arguments) for one in calls] == [
        ("a", "read", '{"path": "x"}'),
        ("b", "write", '{"text": "y"}'),
    ]
    assert final.usage is not None
    assert (final.usage.prompt_tokens, final.usage.completion_tokens, final.usage.total_tokens) == (20, 7, 27)


def _check_anthropic(final: anthropic.types.Message) -> None:
    assert (final.id, final.model, final.stop_reason) == ("msg_1", "real-model", "tool_use")
    blocks = [block.model_dump(exclude_none=True) for block in final.content]
    assert [{name: one[name] for name in one if name != "parsed_output"} for one in blocks] == [
        {"type": "thinking", "thinking": "Two files.", "signature": "sig"},
        {"type": "text", "text": "I will read."},
        {"type": "tool_use", "id": "a", "name": "read", "input": {"path": "x"}},
        {"type": "tool_use", "id": "b", "name": "write", "input": {"text": "y"}},
    ]
    usage = final.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (8, 12, 7)


def _check_responses(final: openai.types.responses.Response) -> None:
    assert (final.id, final.model, final.status) == ("resp-1", "real-model", "completed")
    assert final.output_text == "I will read."
    thinking, _, *calls = final.output
    assert isinstance(thinking, openai.types.responses.ResponseReasoningItem)
    assert [part.text for part in thinking.summary] == ["Two files."]
    assert thinking.encrypted_content == "anthropic_messages.signature:sig"
    made = [one for one in calls if isinstance(one, openai.types.responses.ResponseFunctionToolCall)]
    assert [(one.call_id, one.name, one.arguments) for one in made] == [
        ("a", "read", '{"path": "x"}'),
        ("b", "write", '{"text": "y"}'),
    ]
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens, final.usage.total_tokens) == (20, 7, 27)
    assert final.usage.input_tokens_details.cached_tokens == 12


def test_the_openai_sdk_adds_a_responses_stream_up_to_the_response() -> None:
    formatter = openai_responses.DIALECT.formatter(request("openai_responses"), "txn", 7)
    _check_responses(_responses_final(_body(formatter, _STREAM)))


def test_the_openai_sdk_reads_a_whole_responses_answer() -> None:
    body = json.dumps(openai_responses.encode_response(_WHOLE, request("openai_responses"))).encode()
    with _openai_client(body) as client:
        _check_responses(client.responses.create(model="m", input="hi"))


def test_the_openai_sdk_adds_a_stream_up_to_the_message() -> None:
    formatter = openai_chat.DIALECT.formatter(request(include_usage=True), "txn", 7)
    _check_openai(_openai_final(_body(formatter, _STREAM)))


def test_the_anthropic_sdk_adds_a_stream_up_to_the_message() -> None:
    formatter = anthropic_messages.DIALECT.formatter(request("anthropic_messages"), "txn", 7)
    _check_anthropic(_anthropic_final(_body(formatter, _STREAM)))


def test_the_openai_sdk_reads_a_whole_response() -> None:
    _check_openai(_openai_whole(json.dumps(openai_chat.encode_response(_WHOLE, request())).encode()))


def test_the_anthropic_sdk_reads_a_whole_response() -> None:
    body = anthropic_messages.encode_response(_WHOLE, request("anthropic_messages"))
    _check_anthropic(_anthropic_whole(json.dumps(body).encode()))


def test_the_openai_sdk_adds_up_several_choices() -> None:
    stream = (chunk(content="b", index=1), chunk("stop", content="a"), chunk("length", content="B", index=1))
    final = _openai_final(_body(openai_chat.DIALECT.formatter(request(n=2), "txn", 7), stream))
    choices = [(choice.index, choice.message.content, choice.finish_reason) for choice in final.choices]
    assert choices == [(0, "a", "stop"), (1, "bB", "length")]


@BOUNDED
@given(st.lists(chunks, max_size=4))
def test_the_openai_sdk_can_add_up_whatever_a_policy_made(stream: list[ModelResponse]) -> None:
    formatter = openai_chat.DIALECT.formatter(request(n=3, include_usage=True), "txn", 7)
    assert _openai_final(_body(formatter, stream)).choices[0].finish_reason


@BOUNDED
@given(st.lists(chunks, max_size=4))
def test_the_openai_sdk_can_add_up_whatever_a_policy_made_of_a_response(stream: list[ModelResponse]) -> None:
    body = _body(openai_responses.DIALECT.formatter(request("openai_responses"), "txn", 7), stream)
    with _openai_client(body) as client, client.responses.stream(model="m", input="hi") as events:
        assert [event.type for event in events][-1] in ("response.completed", "response.incomplete")


def test_an_error_in_a_stream_is_an_exception_in_both_sdks() -> None:
    error = UpstreamTruncated("The provider's stream broke off.")
    of_openai = openai_chat.DIALECT.formatter(request(), "txn", 7)
    with pytest.raises(openai.APIError, match="broke off"):
        _openai_final(of_openai.format(Received(chunk(content="a"))) + of_openai.fail(error))
    of_responses = openai_responses.DIALECT.formatter(request("openai_responses"), "txn", 7)
    with pytest.raises(openai.APIError, match="broke off"):
        _responses_final(of_responses.format(Received(chunk(content="a"))) + of_responses.fail(error))
    of_anthropic = anthropic_messages.DIALECT.formatter(request("anthropic_messages"), "txn", 7)
    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        _anthropic_final(of_anthropic.format(Received(chunk(content="a"))) + of_anthropic.fail(error))


@pytest.mark.parametrize(
    ("error", "of_openai", "of_anthropic"),
    [
        (InvalidRequest("m"), openai.BadRequestError, anthropic.BadRequestError),
        (AuthenticationFailed("m"), openai.AuthenticationError, anthropic.AuthenticationError),
        (UnknownModel("m"), openai.NotFoundError, anthropic.NotFoundError),
        (InternalError(), openai.InternalServerError, anthropic.InternalServerError),
        (BreakerOpen("m"), openai.InternalServerError, anthropic.InternalServerError),
    ],
)
def test_an_error_reply_is_the_sdks_own_exception(
    error: Exception, of_openai: type[openai.APIStatusError], of_anthropic: type[anthropic.APIStatusError]
) -> None:
    assert isinstance(error, InvalidRequest | AuthenticationFailed | UnknownModel | InternalError | BreakerOpen)
    with pytest.raises(of_openai) as of_one:
        _openai_whole(*_reply(openai_chat.DIALECT.render_error(error, "txn_1")))
    assert of_one.value.request_id == "txn_1"
    with pytest.raises(of_anthropic) as of_other:
        _anthropic_whole(*_reply(anthropic_messages.DIALECT.render_error(error, "txn_1")))
    assert of_other.value.request_id == "txn_1"


def _reply(rendered: RenderedError) -> tuple[bytes, int, dict[str, str]]:
    return json.dumps(rendered.body).encode(), rendered.status, rendered.headers


def test_the_sdks_read_the_lists_of_models() -> None:
    with _openai_client(json.dumps(openai_chat.DIALECT.render_models(["a", "b"], 5, {})).encode()) as of_openai:
        assert [model.id for model in of_openai.models.list()] == ["a", "b"]
    with _anthropic_client(
        json.dumps(anthropic_messages.DIALECT.render_models(["a", "b"], 5, {})).encode()
    ) as of_anthropic:
        page = of_anthropic.models.list()
        assert [(model.id, model.created_at.year) for model in page.data] == [("a", 1970), ("b", 1970)]

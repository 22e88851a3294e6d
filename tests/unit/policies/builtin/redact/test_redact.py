import json
import time

import pytest

from app.dialects import anthropic_messages
from app.messages import (
    Choice,
    Function,
    InputMessage,
    Message,
    ModelResponse,
    Request,
    TextPart,
    ThinkingBlock,
    ToolCall,
    ToolCallPart,
    ToolResultPart,
)
from app.policies import OptionError
from app.policies.builtin.redact import Redact
from flowspan.testing import answer_through, finish_chunk, request_through, run_policy, stream_through, user_request


def chunk(*deltas: Message, id: str = "") -> ModelResponse:
    return ModelResponse(id=id, choices=tuple(Choice(index=index, delta=delta) for index, delta in enumerate(deltas)))


def deltas(chunks: list[ModelResponse], choice: int = 0) -> list[Message]:
    return [each.delta for chunk in chunks for each in chunk.choices if each.index == choice and each.delta is not None]


def call_arguments(chunks: list[ModelResponse], index: int = 0) -> str:
    calls = [call for delta in deltas(chunks) for call in delta.tool_calls if call.index == index]
    return "".join(call.function.arguments for call in calls)


def test_a_match_across_chunks_is_redacted_and_the_rest_flows() -> None:
    pieces = ["Hello ", "I am bo", "b@exam", "ple.org", " and so ", "on"]
    assert stream_through(Redact(), pieces) == ["Hello ", "I am [EMAIL]", " and so ", "on"]


def test_a_chunk_that_holds_nothing_to_redact_goes_on_as_it_came() -> None:
    first = chunk(Message(content="Hello, "), id="x")
    assert run_policy(Redact(), [first, finish_chunk()])[0] is first


def test_words_that_models_stream_with_the_space_before_them_go_on_in_the_events_in_which_they_came() -> None:
    came = [
        chunk(Message(content=text), id="x") for text in ("The", " well", "-known", " fox", ", as", " we know.\n\nIt")
    ]
    thought = [chunk(Message(reasoning_content=text), id="x") for text in ("I", " think", " so", ".")]
    for events in (came, thought):
        sent = run_policy(Redact(), [*events, finish_chunk()])
        assert [id(one) for one in sent[:-1]] == [id(one) for one in events]


def test_an_event_of_which_much_is_certain_does_not_wait_for_its_last_word() -> None:
    policy = Redact()
    sent = [delta.content for delta in deltas(run_policy(policy, [chunk(Message(content="word " * 10 + "end"))]))]
    assert sent == ["word " * 10, "end"]


def test_what_is_held_at_the_end_of_a_block_is_sent_before_the_finish() -> None:
    sent = run_policy(Redact(), [chunk(Message(content="the end")), finish_chunk()])
    assert [delta.content for delta in deltas(sent)] == ["the end", None]
    assert sent[-1].choices[0].finish_reason == "stop"


def test_each_of_several_answers_is_a_text_of_its_own() -> None:
    sent = run_policy(
        Redact(),
        [
            chunk(Message(content="bob@"), Message(content="eve@")),
            chunk(Message(content="x.org "), Message(content="? ")),
        ],
    )
    assert "".join(delta.content or "" for delta in deltas(sent, 0)) == "[EMAIL] "
    assert "".join(delta.content or "" for delta in deltas(sent, 1)) == "eve@? "


def test_thinking_is_redacted_and_then_loses_its_signature() -> None:
    signature = Message(thinking_blocks=(ThinkingBlock(signature="sig"),))
    for text, expected, signed in (("bob@x.org it is", "[EMAIL] it is", False), ("nobody it is", "nobody it is", True)):
        sent = deltas(run_policy(Redact(), [chunk(Message(reasoning_content=text)), chunk(signature), finish_chunk()]))
        assert "".join(delta.reasoning_content or "" for delta in sent) == expected
        assert any(block.signature for delta in sent for block in delta.thinking_blocks) is signed


def test_arguments_of_interleaved_calls_stay_valid_json() -> None:
    def piece(index: int, arguments: str, name: str | None = None) -> ModelResponse:
        call = ToolCall(index, f"call_{index}" if name else None, function=Function(name, arguments))
        return chunk(Message(tool_calls=(call,)))

    sent = run_policy(
        Redact(),
        [
            piece(0, "", "mail"),
            piece(1, '{"card": 41111111', "pay"),
            piece(0, '{"to": "a\\nbo'),
            piece(1, "11111111}"),
            piece(0, 'b@x.org"}'),
            finish_chunk("tool_calls"),
        ],
    )
    assert json.loads(call_arguments(sent, 0)) == {"to": "a\n[EMAIL]"}
    assert json.loads(call_arguments(sent, 1)) == {"card": 0}
    names = [call.function.name for delta in deltas(sent) for call in delta.tool_calls if call.function.name]
    assert names == ["mail", "pay"]


def test_arguments_that_break_off_are_sent_to_their_end() -> None:
    call = ToolCall(0, "1", function=Function("f", '{"path": "/tm'))
    sent = run_policy(Redact(), [chunk(Message(tool_calls=(call,))), finish_chunk("tool_calls")])
    assert call_arguments(sent) == '{"path": "/tm'


def test_a_plain_answer_is_redacted_like_a_stream() -> None:
    call = ToolCall(0, "1", function=Function("f", '{"a": "bob@x.org"}'))
    answer = answer_through(
        Redact(), Message(role="assistant", content="bob@x.org", reasoning_content="eve@x.org", tool_calls=(call,))
    )
    assert (answer.content, answer.reasoning_content) == ("[EMAIL]", "[EMAIL]")
    assert answer.tool_calls[0].function.arguments == '{"a": "[EMAIL]"}'


def test_a_request_is_redacted_wherever_the_model_would_read() -> None:
    request = Request(
        dialect="openai_chat",
        model="m",
        messages=(
            InputMessage("system", (TextPart("ask bob@x.org"),)),
            InputMessage("assistant", (ToolCallPart("1", "f", '{"n": 4111111111111111}'),)),
            InputMessage("tool", (ToolResultPart("1", (TextPart("sk-" + "a" * 20),)),)),
        ),
    )
    system, assistant, tool = request_through(Redact(), request).messages
    assert system.parts == (TextPart("ask [EMAIL]"),)
    assert assistant.parts == (ToolCallPart("1", "f", '{"n": 0}'),)
    assert tool.parts == (ToolResultPart("1", (TextPart("[SECRET]"),)),)


def test_a_request_with_nothing_to_redact_stays_the_same_object() -> None:
    request = user_request("Hello.")
    assert request_through(Redact(), request) is request


def test_a_large_request_is_redacted_too() -> None:
    (message,) = request_through(Redact(), "word " * 20_000 + "bob@x.org").messages
    assert message.parts == (TextPart("word " * 20_000 + "[EMAIL]"),)


def test_redact_can_be_limited_to_requests_or_responses() -> None:
    requests, responses = Redact(apply_to=("requests",)), Redact(apply_to=("responses",))
    assert stream_through(requests, ["bob@x.org"]) == ["bob@x.org"]
    assert request_through(responses, "bob@x.org").messages[0].parts == (TextPart("bob@x.org"),)


def test_the_replacement_and_the_patterns_can_be_chosen() -> None:
    policy = Redact(patterns=("card",), custom={"employee": r"\bEMP-\d{4}\b"}, replacement="<{name}>")
    assert stream_through(policy, ["EMP-12", "34 bob@x.org 4111111111111111"]) == ["<EMPLOYEE>", " bob@x.org <CARD>"]


def test_transactions_do_not_see_each_others_text() -> None:
    policy = Redact()
    run_policy(policy, [chunk(Message(content="bob@"))])
    assert stream_through(policy, ["x.org"]) == ["x.org"]


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: Redact(patterns=()), ("patterns",)),
        (lambda: Redact(apply_to=()), ("apply_to",)),
        (lambda: Redact(max_length=0), ("max_length",)),
        (lambda: Redact(custom={"bad": "("}), ("custom", "bad")),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(build: type[Redact], path: tuple[str, ...]) -> None:
    with pytest.raises(OptionError) as error:
        build()
    assert error.value.path == path


def test_every_text_of_a_large_request_is_redacted_however_it_is_written_down() -> None:
    """Its messages stand in the client's own body and in the common form, and JSON is written differently in them."""
    filler = "word " * 5_000
    body = {
        "model": "m",
        "max_tokens": 10,
        "system": filler + "ask bob@x.org",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": f"bob@x.org {filler}"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"to": "bob@x.org", "é": filler}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "1", "content": r"{\"a\u0040x.org\"}"}],
            },
        ],
    }
    request = anthropic_messages.decode_request(body, {})
    sent = json.dumps(anthropic_messages.encode_request(request_through(Redact(), request)), ensure_ascii=False)
    assert "x.org" not in sent
    assert sent.count("[EMAIL]") == 4
    assert sent.count("word ") == 3 * 5_000


@pytest.mark.parametrize("unit", ["\\", "\\u00", "\\u0041", '\\"'])
def test_escapes_take_time_by_their_number(unit: str) -> None:
    def seconds(length: int) -> float:
        request = user_request("\\u0040 " + unit * (length // len(unit)))
        started = time.process_time()
        request_through(Redact(), request)
        return time.process_time() - started

    assert seconds(160_000) < 24 * max(seconds(20_000), 0.01)


def test_a_large_piece_of_an_answer_is_redacted() -> None:
    large = "word " * 20_000
    assert stream_through(Redact(), [f"{large}bob@", f"x.org {large}"]) == [large, f"[EMAIL] {large}"]

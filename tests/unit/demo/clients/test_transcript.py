from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.demo.clients.calls import Api, talk
from app.demo.clients.client import Observation
from app.demo.clients.transcript import EventReader, Transcript, read_body, read_event

OPENAI = (
    b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    b": keepalive\n\n"
    b'data: {"choices":[{"delta":{"content":"h\xc3\xa9llo"}}]}\n\n'
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]}}]}\n\n'
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}}]}\n\n'
    b"data: [DONE]\n\n"
)
ANTHROPIC = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"thinking","thinking":""}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}\n\n'
    b'data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"f","input":{}}}\n\n'
    b'data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)
RESPONSES = (
    b'event: response.output_item.added\ndata: {"type":"response.output_item.added","output_index":0,'
    b'"item":{"type":"function_call","name":"f","arguments":""}}\n\n'
    b'data: {"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}\n\n'
    b'data: {"type":"response.reasoning_summary_text.delta","output_index":1,"delta":"hm"}\n\n'
    b'data: {"type":"response.output_text.delta","output_index":2,"delta":"hi"}\n\n'
    b'data: {"type":"response.completed"}\n\n'
)


def read(api: Api, stream: bytes, cuts: list[int]) -> Transcript:
    reader, transcript = EventReader(), Transcript()
    edges = [0, *sorted(cut % len(stream) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        for event in reader.feed(stream[start:end]):
            read_event(api, event, transcript)
    return transcript


@given(st.lists(st.integers(min_value=0), max_size=8))
def test_a_stream_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    transcript = read("openai_chat", OPENAI, cuts)
    assert (transcript.text, transcript.tools, transcript.tool_names, transcript.ended) == (
        "héllo",
        {0: "{}"},
        ["f"],
        True,
    )
    transcript = read("anthropic_messages", ANTHROPIC, cuts)
    assert (transcript.thinking, transcript.tools, transcript.tool_names, transcript.ended) == (
        "hm",
        {1: "{}"},
        ["f"],
        True,
    )
    transcript = read("openai_responses", RESPONSES, cuts)
    assert (transcript.text, transcript.thinking, transcript.tools, transcript.ended) == ("hi", "hm", {0: "{}"}, True)


def test_an_error_event_is_no_clean_end() -> None:
    for transcript in (
        read("openai_chat", b'data: {"error":{"code":"queue_overflow"}}\n\n', []),
        read("openai_responses", b'data: {"type":"error","error":{"code":"queue_overflow"}}\n\n', []),
    ):
        assert transcript.error is not None
        assert not transcript.ended


def test_a_whole_answer_is_read_in_every_dialect() -> None:
    body = {"choices": [{"message": {"content": "hi", "reasoning_content": "hm"}}]}
    transcript = read_body("openai_chat", body)
    assert (transcript.text, transcript.thinking, transcript.ended) == ("hi", "hm", True)
    blocks = [{"type": "text", "text": "hi"}, {"type": "tool_use", "name": "f", "input": {"a": 1}}]
    transcript = read_body("anthropic_messages", {"content": blocks})
    assert (transcript.text, transcript.tools) == ("hi", {1: '{"a": 1}'})
    items = [
        {"type": "reasoning", "summary": [{"text": "h"}], "content": [{"text": "m"}]},
        {"type": "message", "content": [{"text": "hi"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    transcript = read_body("openai_responses", {"error": None, "output": items})
    assert (transcript.text, transcript.thinking, transcript.tools) == ("hi", "hm", {2: "{}"})


def test_a_stream_that_stops_without_its_end_is_not_ok() -> None:
    cut = Observation(talk("openai_chat"), 0, status=200, transcript=Transcript(text="half"))
    assert cut.outcome == "internal_error"

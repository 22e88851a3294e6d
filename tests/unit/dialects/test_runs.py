"""A run of events is to everybody what its events are one by one, however a body's bytes come."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.direct.stream_events import Events
from app.dialects import streaming_dialects
from app.dialects.joined import joined
from app.errors import GatewayError
from app.messages import Dialect, Received, count_of, is_substantial, received_size
from tests.unit.dialects.decoding import DECODERS
from tests.unit.dialects.samples import request

Fields = dict[str, Any]

_SPEAKERS: list[Dialect] = ["openai_chat", "anthropic_messages", "openai_responses"]
_TEXTS = st.lists(st.sampled_from(["a", " word", "", 'q"\\', "é\n\n", "\U0001f600", "data: ", "[DONE]"]), max_size=12)
_CUTS = st.lists(st.integers(0, 5000), max_size=4)


def _sse(fields: Fields, named: bool) -> bytes:
    name = b"event: %b\n" % str(fields["type"]).encode() if named else b""
    return b"%bdata: %b\n\n" % (name, json.dumps(fields).encode())


def chat(texts: Sequence[str], between: int) -> list[bytes]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    thoughts = [_thought(text, between) for text in texts]
    deltas = [*thoughts, *({"content": text} for text in texts)]
    rows: list[Fields] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    odd: Fields = [
        {"index": 1, "delta": {"content": "other"}, "finish_reason": None},
        {"index": 0, "delta": {"reasoning_content": "hm"}, "finish_reason": None},
        {"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": None},
        {"index": 0, "delta": {"reasoning": "hm", "content": "x"}, "finish_reason": None},
        {"index": 0, "delta": {"reasoning": "hm", "reasoning_content": "hm"}, "finish_reason": None},
    ][between % 5]
    rows.insert(between % (len(rows) + 1), odd)
    rows.insert(0, {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    rows += [{"index": index, "delta": {}, "finish_reason": "stop"} for index in (0, 1)]
    events = [_sse({**base, "choices": [row]}, named=False) for row in rows]
    return [*events, b": alive\n\n", b"data: [DONE]\n\n"]


def _thought(text: str, between: int) -> Fields:
    """A piece of reasoning, as each of several providers writes all of its."""
    forms: list[Fields] = [
        {"reasoning_content": text},
        {"reasoning": text, "content": None},
        {"role": "assistant", "content": "", "reasoning_content": text},
    ]
    return forms[between % 3]


def messages(texts: Sequence[str], between: int) -> list[bytes]:
    kinds = [{"type": "text_delta", "text": text} for text in texts]
    thoughts = [{"type": "thinking_delta", "thinking": text} for text in texts[: between % 5]]
    blocks: list[tuple[Fields, list[Fields]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [*thoughts, {"type": "signature_delta", "signature": "s"}],
        ),
        (
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            [{"type": "input_json_delta", "partial_json": text} for text in ("", "{", "}")],
        ),
        (
            {"type": "tool_use", "id": "toolu_0", "name": "whole", "input": {"a": 1}},
            [{"type": "input_json_delta", "partial_json": ""}],
        ),
        ({"type": "text", "text": ""}, kinds),
        (
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
            [{"type": "input_json_delta", "partial_json": text} for text in ("{", "", *texts, "}")],
        ),
    ]
    head = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": {"input_tokens": 3},
    }
    rows: list[Fields] = [{"type": "message_start", "message": head}]
    for index, (block, deltas) in enumerate(blocks):
        rows.append({"type": "content_block_start", "index": index, "content_block": block})
        rows += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        rows.append({"type": "content_block_stop", "index": index})
    rows.insert(between % (len(rows) - 1) + 1, {"type": "ping"})
    rows += [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]
    return [_sse(row, named=True) for row in rows]


def responses(texts: Sequence[str], between: int) -> list[bytes]:
    text, of_text = "".join(texts), {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    thought = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    call = {"item_id": "fc_1", "output_index": 2}
    response = {"id": "resp_1", "object": "response", "created_at": 5, "model": "m", "output": []}
    items: list[Fields] = [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm!"}]},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        },
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
    ]
    begun: list[Fields] = [{**items[0], "summary": []}, {**items[1], "content": []}, {**items[2], "arguments": ""}]
    pieces = [
        [{"type": "response.reasoning_summary_text.delta", **thought, "delta": piece} for piece in ("hm", "!")],
        [{"type": "response.output_text.delta", **of_text, "delta": piece, "logprobs": []} for piece in texts],
        [{"type": "response.function_call_arguments.delta", **call, "delta": piece} for piece in "{}"],
    ]
    parts: list[list[Fields]] = [
        [{"type": "response.reasoning_summary_part.added", **thought, "part": {"type": "summary_text", "text": ""}}],
        [
            {
                "type": "response.content_part.added",
                **of_text,
                "part": {"type": "output_text", "text": "", "annotations": []},
            }
        ],
        [],
    ]
    rows: list[Fields] = [{"type": "response.created", "response": {**response, "status": "in_progress"}}]
    for index in range(3):
        rows.append({"type": "response.output_item.added", "output_index": index, "item": begun[index]})
        rows += parts[index] + pieces[index]
        rows.append({"type": "response.output_item.done", "output_index": index, "item": items[index]})
    rows.append({"type": "response.completed", "response": {**response, "status": "completed", "output": items}})
    return [_sse({**row, "sequence_number": number}, named=bool(between % 2)) for number, row in enumerate(rows)]


_BODIES = {"openai_chat": chat, "anthropic_messages": messages, "openai_responses": responses}


def _read(dialect: Dialect, pieces: Iterable[bytes]) -> list[Received]:
    events = Events(DECODERS[dialect](), scrub=str, event_limit=1 << 20)
    received = [one for piece in pieces for one in events.feed(piece)] + events.finish()
    events.check()
    events.check_end()
    return received


def _parts(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("speaker", _SPEAKERS)
@given(texts=_TEXTS, between=st.integers(0, 30), cuts=_CUTS)
def test_events_that_come_together_say_what_they_say_alone(
    speaker: Dialect, texts: list[str], between: int, cuts: list[int]
) -> None:
    events = _BODIES[speaker](texts, between)
    alone, body = _read(speaker, events), b"".join(events)
    assert all(one.count == 1 for one in alone)
    together = _read(speaker, _parts(body, cuts))
    assert [part for one in together for part in one.apart()] == alone
    assert b"".join(one.native.raw for one in together if one.native) == body
    assert sum(map(count_of, together)) == len(events)
    assert sum(map(received_size, together)) == sum(map(received_size, alone))
    assert joined([one.chunk for one in together]) == joined([one.chunk for one in alone])
    assert all(is_substantial(one.chunk) for one in together if one.count > 1)


@pytest.mark.parametrize("client", streaming_dialects())
@pytest.mark.parametrize("speaker", _SPEAKERS)
@given(texts=_TEXTS, between=st.integers(0, 30), cuts=_CUTS, gap=st.none() | st.integers(0, 12), fails=st.booleans())
def test_a_client_gets_the_same_bytes_of_a_run_as_of_its_events(
    speaker: Dialect,
    client: Dialect,
    texts: list[str],
    between: int,
    cuts: list[int],
    gap: int | None,
    fails: bool,
) -> None:
    received = _read(speaker, _parts(b"".join(_BODIES[speaker](texts, between)), cuts))
    if gap is not None:
        received.pop(gap % len(received))
    outputs = []
    for chunks in (received, [part for one in received for part in one.apart()]):
        formatter = streaming_dialects()[client].formatter(request(client, include_usage=True), "txn", 7)
        body = b"".join(map(formatter.format, chunks))
        outputs.append(body + (formatter.fail(GatewayError("broke")) if fails else formatter.finish()))
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("speaker", _SPEAKERS)
def test_a_read_of_many_plain_texts_is_one_run(speaker: Dialect) -> None:
    texts = [f"word {number} " for number in range(200)]
    runs = [one for one in _read(speaker, [b"".join(_BODIES[speaker](texts, 400))]) if one.count > 100]
    run, text = next((one, delta.content) for one in runs if (delta := one.chunk.choices[0].delta) and delta.content)
    assert text == "".join(run.texts) == "".join(texts[: run.count])
    assert [part.native.sequence for part in run.apart() if part.native] == list(
        range(run.native.sequence if run.native else 0, run.native.sequence + run.count if run.native else 0)
    )


@pytest.mark.parametrize("speaker", _SPEAKERS)
def test_what_a_head_says_of_limits_stays_with_the_first_event_of_a_run(speaker: Dialect) -> None:
    run = next(one for one in _read(speaker, [b"".join(_BODIES[speaker](["a", "b", "c"], 401))]) if one.count > 1)
    limits = {"x-ratelimit-remaining-requests": "1"}
    assert [one.limit_headers for one in run.with_limits(limits).apart()] == [limits, *[None] * (run.count - 1)]
    assert [one.limit_headers for one in run.with_limits(limits).portions()] == [limits, None]


def test_one_bad_event_among_many_is_found_and_those_before_it_count() -> None:
    good = _sse({"choices": [{"index": 0, "delta": {"content": "a"}}]}, named=False)
    for bad in (b'{"choices": [{"index": 0, "delta": {"content": "a"}}}', b'{"error": {"message": "x"}}'):
        events = Events(DECODERS["openai_chat"](), scrub=str, event_limit=1 << 20)
        (run,) = events.feed(good * 5 + b"data: %b\n\n" % bad + good * 5)
        assert (run.count, events.count, events.is_over) == (5, 6, True)
        with pytest.raises(GatewayError):
            events.check()

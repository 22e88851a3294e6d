"""An address in each place of an answer, as the official SDKs' types have them: none reaches a client."""

import json
from collections import Counter
from typing import Any

import pytest

from app.dialects import streaming_dialects
from app.dialects.anthropic_messages.response_decoding import decode_response as from_anthropic
from app.dialects.openai_chat.response_decoding import decode_response as from_chat
from app.dialects.openai_completions.response_decoding import decode_response as from_completions
from app.dialects.openai_responses.response_decoding import decode_response as from_responses
from app.errors import GatewayError
from app.messages import Dialect, InputMessage, Request, TextPart
from app.policies.builtin.redact import Redact
from flowspan.testing import response_through, run_received
from tests.unit.dialects.decoding import decoded
from tests.unit.text_fields.sdk_types import ANSWERS, EVENTS, SdkPath, paths
from tests.unit.text_fields.test_requests import is_for_redact, undone

HIDDEN = "@mail.example"
PLAIN = "to bob@mail.example"
OF_HOOKS = {"content", "text", "thinking", "arguments", "input", "partial_json", "delta"}
"""Fields of texts that are looked at as they come."""
TEXT = json.dumps({"said": "to bob@mail.example", "again": '{"to": "eve\\u0040mail.example"}'})
DECODERS = {
    "openai_chat": from_chat,
    "anthropic_messages": from_anthropic,
    "openai_responses": from_responses,
    "openai_completions": from_completions,
}
CLIENTS: dict[Dialect, tuple[Dialect, ...]] = {
    "openai_chat": ("openai_chat", "anthropic_messages", "openai_responses"),
    "anthropic_messages": ("anthropic_messages", "openai_chat", "openai_responses"),
    "openai_responses": ("openai_responses", "openai_chat", "anthropic_messages"),
    "openai_completions": ("openai_completions",),
}
WAYS = [(provider, client) for provider, clients in CLIENTS.items() for client in clients]
ways = pytest.mark.parametrize(("provider", "client"), WAYS)


def text_for(path: SdkPath) -> str:
    return PLAIN if path.field in OF_HOOKS else TEXT


def paths_of(roots: tuple[Any, ...], every: bool) -> list[SdkPath]:
    """One for each field of each type; of an answer that goes to a client of another dialect, a quarter of them."""
    found = {str(path): path for path in paths(roots) if is_for_redact(path) and not is_of_a_piece(path)}
    return list(found.values())[:: 1 if every else 4]


def is_of_a_piece(path: SdkPath) -> bool:
    """The id of an item beside a piece of text: by far the most frequent event is not looked at for it."""
    return path.field == "item_id"


def asked(client: Dialect) -> Request:
    return Request(dialect=client, model="m", messages=(InputMessage("user", (TextPart("hi"),)),), stream=True)


def whole(provider: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    """The answer with the fields that a real one has, where the smallest one lacks them."""
    if provider == "openai_responses":
        return {**body, "status": "completed", "output": body["output"] or [MESSAGE_ITEM]}
    if provider == "anthropic_messages":
        return {**body, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}
    first = {"message": {"role": "assistant", "content": "hi"}, "text": "hi", "index": 0, "finish_reason": "stop"}
    choices = body["choices"] or [{}]
    return {**body, "choices": [{**first, **choices[0], "index": 0, "finish_reason": "stop"}]}


MESSAGE_ITEM = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "hi", "annotations": []}],
}


@ways
def test_no_place_of_a_whole_answer_lets_an_address_through(provider: Dialect, client: Dialect) -> None:
    policy, seen, leaks = Redact(patterns=("email",)), Counter[str](), set()
    request = asked(client)
    for path in paths_of(ANSWERS[provider], provider == client):
        body = whole(provider, path.value(text_for(path)))
        try:
            answer = response_through(policy, DECODERS[provider](body), request=request)
        except (GatewayError, AttributeError, KeyError, TypeError, ValueError):
            seen["refused"] += 1
            continue
        seen["sent"] += 1
        if HIDDEN in undone(
            json.dumps(streaming_dialects()[client].encode_response(answer, request), ensure_ascii=False)
        ):
            leaks.add(str(path))
    assert leaks == set()
    assert seen["sent"] > 10 * seen["refused"]


def event(data: dict[str, Any]) -> bytes:
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def stream(provider: Dialect, *events: dict[str, Any]) -> bytes:
    """The events in a stream that is otherwise whole."""
    if provider == "anthropic_messages":
        return b"".join(map(event, [*_anthropic_start(events[0]), *events, *ANTHROPIC_END]))
    if provider == "openai_responses":
        kind = str(events[0].get("type"))
        if kind in ("response.completed", "response.incomplete"):
            return b"".join(map(event, [RESPONSES_START, *events]))
        return b"".join(map(event, [RESPONSES_START, *_item_of(events[0]), *events, RESPONSES_END]))
    for call in [call for choice in events[0]["choices"] for call in choice.get("delta", {}).get("tool_calls") or ()]:
        # A call that never gets a name is refused.
        call["function"] = {"name": "read", **(call.get("function") or {})}
    field: dict[str, Any] = {"delta": {}} if provider == "openai_chat" else {"text": ""}
    end = {**events[0], "choices": [{"index": 0, **field, "finish_reason": "stop"}]}
    return b"".join([*map(event, events), event({**end, "usage": None}), b"data: [DONE]\n\n"])


RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": []}
RESPONSES_START = {"type": "response.created", "sequence_number": 0, "response": RESPONSE}
RESPONSES_END = {
    "type": "response.completed",
    "sequence_number": 9,
    "response": {**RESPONSE, "status": "completed", "output": [MESSAGE_ITEM]},
}
ANTHROPIC_END: list[dict[str, Any]] = [
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
]


def _anthropic_start(first: dict[str, Any]) -> list[dict[str, Any]]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    start = {"type": "message_start", "message": {**head, "usage": {"input_tokens": 1, "output_tokens": 1}}}
    if first.get("type") == "message_start":
        return []
    if first.get("type") != "content_block_delta":
        return [start]
    kinds = {"input_json_delta": "server_tool_use", "thinking_delta": "thinking", "compaction_delta": "compaction"}
    kind = kinds.get(str(first["delta"].get("type")), "text")
    block = {"type": kind, "id": "b_1", "name": "n", "input": {}, kind: ""}
    return [start, {"type": "content_block_start", "index": 1, "content_block": block}]


def _item_of(first: dict[str, Any]) -> list[dict[str, Any]]:
    kind = str(first.get("type"))
    if "output_index" not in first or kind.startswith("response.output_item"):
        return []
    kinds = {
        "function": "function_call",
        "mcp": "mcp_call",
        "code": "code_interpreter_call",
        "custom": "custom_tool_call",
    }
    found = next((item for start, item in kinds.items() if kind.startswith(f"response.{start}")), "message")
    item = {"id": "item_1", "type": found, "status": "in_progress", "content": [], "name": "n", "call_id": "c_1"}
    if found == "function_call":
        item["arguments"] = ""
    return [{"type": "response.output_item.added", "sequence_number": 1, "output_index": 1, "item": item}]


def received(policy: Redact, body: bytes, provider: Dialect, client: Dialect) -> bytes:
    chunks, error = decoded(provider, body)
    if error is not None:
        raise error
    request = asked(client)
    formatter = streaming_dialects()[client].formatter(request, "txn_1", 1)
    sent = [formatter.format(one) for one in run_received(policy, chunks, request=request)]
    return b"".join([*sent, formatter.finish()])


@ways
def test_no_place_of_a_streamed_answer_lets_an_address_through(provider: Dialect, client: Dialect) -> None:
    policy, seen, leaks = Redact(patterns=("email",)), Counter[str](), set()
    for path in paths_of(EVENTS[provider], provider == client):
        given = fixed(provider, path.value(text_for(path)))
        try:
            sent = received(policy, stream(provider, given), provider, client)
        except GatewayError:
            seen["refused"] += 1
            continue
        seen["sent"] += 1
        if HIDDEN in undone(sent.decode()):
            leaks.add(f"{given.get('type', '')} {path}")
    assert leaks == set()
    assert seen["sent"] > 10 * seen["refused"]


SPLIT = ["to bob@", "mail.", "example now"]
ITEM = {"sequence_number": 2, "item_id": "item_1", "output_index": 1}
IN_PIECES: list[tuple[Dialect, list[dict[str, Any]]]] = [
    ("openai_chat", [{"choices": [{"index": 0, "delta": {"refusal": piece}}]} for piece in SPLIT]),
    ("openai_chat", [{"choices": [{"index": 0, "delta": {"audio": {"transcript": piece}}}]} for piece in SPLIT]),
    *(
        ("openai_chat", [{"choices": [{"index": 0, "delta": {name: [field | {"text": piece}]}}]} for piece in SPLIT])
        for name, field in (("new_details", {"format": "new"}), ("new_field", {}))
    ),
    (
        "openai_chat",
        [{"choices": [{"index": 0, "delta": {"audio": {"data": "UklG", "transcript": piece}}}]} for piece in SPLIT],
    ),
    *(
        (
            "anthropic_messages",
            [{"type": "content_block_delta", "index": 1, "delta": {"type": kind, field: piece}} for piece in SPLIT],
        )
        for kind, field in (("input_json_delta", "partial_json"), ("compaction_delta", "content"))
    ),
    *(
        ("openai_responses", [{"type": f"response.{kind}.delta", **ITEM, "delta": piece} for piece in SPLIT])
        for kind in ("refusal", "code_interpreter_call_code", "mcp_call_arguments", "audio.transcript", "new_kind")
    ),
]


@pytest.mark.parametrize(("provider", "events"), IN_PIECES)
def test_a_text_that_comes_in_pieces_is_looked_at_whole(provider: Dialect, events: list[dict[str, Any]]) -> None:
    sent = received(Redact(patterns=("email",)), stream(provider, *events), provider, provider).decode()
    assert "[EMAIL] now" in sent
    assert "bob@" not in sent
    assert "mail." not in sent


def test_pieces_of_two_answers_are_two_texts() -> None:
    events: list[dict[str, Any]] = [
        {"choices": [{"index": at, "delta": {"refusal": piece}}]} for piece in SPLIT for at in (0, 1)
    ]
    ends: list[dict[str, Any]] = [{"choices": [{"index": at, "delta": {}, "finish_reason": "stop"}]} for at in (0, 1)]
    chunks, _ = decoded("openai_chat", b"".join(map(event, events + ends)))
    sent = run_received(Redact(patterns=("email",)), chunks, request=asked("openai_chat"))
    refusals = [
        (choice.index, choice.delta.refusal)
        for one in sent
        for choice in one.chunk.choices
        if choice.delta and choice.delta.refusal
    ]
    assert refusals == [(0, "to [EMAIL] now"), (1, "to [EMAIL] now")]


@pytest.mark.parametrize("provider", list(EVENTS))
def test_a_stream_without_anything_to_redact_stays_as_it_came(provider: Dialect) -> None:
    policy = Redact(patterns=("email",))
    for path in paths_of(EVENTS[provider], every=False):
        if path.field == "token" or "ToolCall" in str(path) or "FunctionCallArguments" in str(path):
            continue  # Log probabilities of another text do not go on; what is no JSON is kept back to its end.
        body = stream(provider, fixed(provider, path.value("nothing")))
        if b'"tool_use"' in body:
            continue  # These streams end as those of text do, which is put right after a call.
        if decoded(provider, body)[1] is None:
            assert received(policy, body, provider, provider) == body


def fixed(provider: Dialect, given: dict[str, Any]) -> dict[str, Any]:
    if provider in ("openai_chat", "openai_completions"):
        field: dict[str, Any] = {"delta": {}} if provider == "openai_chat" else {"text": ""}
        choices = [{**field, **choice, "index": 0, "finish_reason": None} for choice in given["choices"] or [{}]]
        return {**given, "choices": choices, "usage": None}
    return given

"""`simulated/replay:BUNDLE` serves recordings to clients of any API, each to its own request, and to no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from app.configuration import ConfigurationRefused, parse
from app.recorder.bundles import encode_bundle
from app.recorder.recording import Body, Piece
from tests.behaviour.gateway import RunningGateway
from tests.unit.replay.recorded import BEGINNING, END, MESSAGES, body, event, recording

_MODEL = "model_list:\n  - {{model_name: {name}, litellm_params: {{model: 'simulated/replay:{file}'}}}}\n"
_SECOND = [*MESSAGES, {"role": "assistant", "content": "In London."}, {"role": "user", "content": "Since when?"}]


def _second() -> Any:
    """A recording of the conversation's next turn, by a whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Since 1815."}, "finish_reason": "stop"}
    answer = {"id": "c2", "object": "chat.completion", "created": 2, "model": "gpt-5", "choices": [choice]}
    data = json.dumps(answer).encode()
    asked = body(messages=_SECOND, stream=False)
    made = recording((Piece(0.3, data),), asked, stream=False, request=Body((), asked, len(asked)))
    attempt = replace(made.attempts[0], response_headers=(("content-type", "application/json"),))
    return replace(made, attempts=(attempt,))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    file = tmp_path_factory.mktemp("bundles") / "conversation.json"
    file.write_bytes(encode_bundle([recording(), _second()]))
    cut = file.parent / "cut.json"
    cut.write_bytes(encode_bundle([recording(BEGINNING, error_type="upstream_truncated")]))
    models = _MODEL.format(name="chat", file=f"{file}+speed-1000")
    models += _MODEL.format(name="cut", file=cut).partition("\n")[2]
    with RunningGateway(models) as running:
        yield running


def _post(gateway: RunningGateway, path: str, **fields: Any) -> httpx.Response:
    return httpx.post(gateway.url + path, json={"model": "chat", "messages": MESSAGES, **fields}, timeout=10)


def test_a_client_of_its_api_gets_the_recorded_bytes(gateway: RunningGateway) -> None:
    reply = _post(gateway, "/v1/chat/completions", stream=True)

    assert reply.content == b"".join(piece.data for piece in BEGINNING + END)


def test_a_client_of_another_api_gets_it_translated(gateway: RunningGateway) -> None:
    reply = _post(gateway, "/v1/messages", max_tokens=100)

    assert reply.json()["content"] == [{"type": "text", "text": "Ask ada@example.com "}]


def test_each_turn_of_a_conversation_has_its_own_answer(gateway: RunningGateway) -> None:
    first, second = (_post(gateway, "/v1/chat/completions", messages=one) for one in (MESSAGES, _SECOND))

    assert [one.json()["choices"][0]["message"]["content"] for one in (first, second)] == [
        "Ask ada@example.com ",
        "Since 1815.",
    ]


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"messages": [{"role": "user", "content": "Where is Bob?"}]}, "messages[0].content was 'Where is Ada?'"),
        ({"messages": [*_SECOND, MESSAGES[0]]}, "messages[3] was absent and is a message of the role 'user'"),
        ({"seed": 7}, "seed was absent and is 7"),
        (
            {"tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]},
            "tools was absent and is list",
        ),
    ],
)
def test_another_request_is_refused_with_what_is_other(
    gateway: RunningGateway, fields: dict[str, Any], difference: str
) -> None:
    reply = _post(gateway, "/v1/chat/completions", **fields)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("This is not the request that was recorded: ")
    assert difference in reply.json()["error"]["message"]


def test_what_says_nothing_to_a_model_may_differ(gateway: RunningGateway) -> None:
    reply = _post(gateway, "/v1/chat/completions", user="somebody", max_tokens=9, metadata={"a": "b"})

    assert reply.status_code == 200


def test_a_recorded_fault_happens_again(gateway: RunningGateway) -> None:
    reply = _post(gateway, "/v1/chat/completions", model="cut", stream=True)

    assert reply.content.startswith(event("Ask "))
    assert b"upstream_truncated" in reply.content
    assert gateway.transaction(reply.headers["x-request-id"]).outcome == "upstream_error"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"{}", "is no bundle: it has no `format`"),
        (encode_bundle([replace(recording(), attempts=())]), "never came to a provider"),
    ],
)
def test_a_bundle_that_cannot_be_served_stops_the_start(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(ConfigurationRefused) as refused:
        parse(_MODEL.format(name="chat", file="b.json"), str(tmp_path / "gateway.yaml"), {})

    [found] = refused.value.problems
    assert [found.line, found.key] == [2, "model_list[0].litellm_params.model"]
    assert problem in found.message

"""Texts and token ids as messages."""

import msgspec
import pytest

from app.dialects import openai_completions, openai_embeddings
from app.dialects.inputs import unreadable
from app.errors import InvalidRequest
from app.messages import OpaquePart, Request, TextPart
from tests.unit.dialects.samples import request as chat_request


def embed(given: object) -> Request:
    return openai_embeddings.decode_request({"model": "m", "input": given}, {})


@pytest.mark.parametrize(
    ("given", "messages", "hidden"),
    [
        ("a", 1, 0),
        (["a"], 1, 0),
        (["a", "b", ""], 3, 0),
        ([1, 2, 3], 1, 1),
        ([[1, 2], [3]], 2, 2),
        (["a", [1]], 2, 1),
        ([{"image": "b64"}, "a"], 2, 1),
    ],
)
def test_each_input_is_a_message_and_comes_back_as_it_was(given: object, messages: int, hidden: int) -> None:
    request = embed(given)
    assert len(request.messages) == messages
    assert unreadable(request) == hidden
    again = openai_embeddings.encode_request(request)["input"]
    assert again == (given[0] if isinstance(given, list) and given == ["a"] else given)


@pytest.mark.parametrize("given", [[], 7, {}, [[]], [True], [1, "a"], [None], [1.5], [[1, "a"]], None])
def test_what_is_no_input_is_refused_by_name(given: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        embed(given)
    assert str(caught.value.param).startswith("input")


def test_every_text_can_be_changed_and_no_tokens() -> None:
    request = openai_completions.decode_request({"model": "m", "prompt": ["a", [1]], "suffix": "b"}, {})
    changed = request.map_text(str.upper)
    assert [message.parts[0] for message in changed.messages if isinstance(message.parts[0], TextPart)] == [
        TextPart("A"),
        TextPart("B"),
    ]
    assert openai_completions.encode_request(changed) == {"model": "m", "prompt": ["A", [1]], "suffix": "B"}


def test_what_is_opaque_in_a_chat_does_not_count_as_unread() -> None:
    request = chat_request()
    audio = OpaquePart("openai_chat", {"type": "input_audio"})
    message = msgspec.structs.replace(request.messages[0], parts=(audio,))
    assert unreadable(msgspec.structs.replace(request, messages=(message,))) == 0

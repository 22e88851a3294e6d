from app.dialects.estimate import estimate_input_tokens, estimate_output_tokens
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ToolDefinition,
    ToolResultPart,
)
from tests.unit.dialects.samples import request


def _tokens(*parts: Part) -> int:
    return estimate_input_tokens(request(messages=(InputMessage("user", parts),)))


def test_texts_count_by_their_length_wherever_they_stand() -> None:
    text = TextPart("x" * 400)
    assert _tokens(text) == 104
    assert _tokens(ToolResultPart("1", (text,)), DocumentPart(text=text.text), RefusalPart("no")) == 208


def test_an_image_counts_by_its_kind_and_not_by_its_bytes() -> None:
    assert _tokens(ImagePart(data="A" * 1_000_000)) == _tokens(ImagePart(url="https://example.org/a.png")) == 1504


def test_token_ids_count_themselves() -> None:
    assert _tokens(OpaquePart("openai_embeddings", {"type": "tokens", "tokens": [1, 2, 3]})) == 4 + 3


def test_tools_count_with_their_schemas() -> None:
    tool = ToolDefinition(name="read", description="d" * 40, parameters={"type": "object"})
    assert estimate_input_tokens(request(tools=(tool,))) == estimate_input_tokens(request()) + 14


def test_no_estimate_is_zero() -> None:
    assert estimate_input_tokens(request(messages=())) == estimate_output_tokens(0) == 1

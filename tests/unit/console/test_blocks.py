"""Parts of messages become blocks that are bounded, and that show no picture but what a browser can safely draw."""

import pytest

from app.console.blocks import FULL, ToolNames, Wish, blocks, part_blocks, text_at
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)


def test_a_long_text_has_its_beginning_on_the_page_and_all_of_it_elsewhere() -> None:
    part = TextPart("x" * (FULL + 7))
    (block,) = part_blocks([part])

    assert (len(block.text), block.left_out, block.html) == (FULL, 7, None)
    assert text_at([part], block.path) == part.text


def test_a_call_has_its_arguments_by_name() -> None:
    (block,) = part_blocks([ToolCallPart("c", "Bash", '{"command": "ls\\n-la", "timeout": 3}')])

    assert [(field.name, field.text, field.is_long) for field in block.fields] == [
        ("command", "ls\n-la", True),
        ("timeout", "3", False),
    ]
    assert (block.label, block.summary) == ("Bash", "ls -la")


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", '"text"', "\ud800"])
def test_arguments_that_are_no_object_stand_as_they_are(arguments: str) -> None:
    (block,) = part_blocks([ToolCallPart("c", "Bash", arguments)])

    assert block.fields == ()


def test_a_result_is_named_for_the_tool_that_was_called() -> None:
    call = ToolCallPart("call_1", "Read", "{}")
    result = ToolResultPart("call_1", (TextPart("# no Markdown"),), is_error=True)
    message = InputMessage("user", (result,))
    (block,) = blocks(message, ToolNames([InputMessage("assistant", (call,)), message]))

    assert (block.label, block.is_error, block.is_open) == ("Read", True, True)
    assert (block.inner[0].html, block.inner[0].path) == (None, "0.0")
    assert text_at(message.parts, "0.0") == "# no Markdown"


@pytest.mark.parametrize("path", ["1", "0.0", "-1", "x", "", "0.x", "9999999999999999999999"])
def test_a_path_to_nothing_leads_to_nothing(path: str) -> None:
    assert text_at([ThinkingPart("thought")], path) in (None, "thought")
    assert text_at([], path) is None


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (ImagePart(data="QUJD", media_type="image/png"), "data:image/png;base64,QUJD"),
        (ImagePart(url="data:image/jpeg;base64,QUJD"), "data:image/jpeg;base64,QUJD"),
        (ImagePart(data="PHN2Zz4=", media_type="image/svg+xml"), None),
        (ImagePart(url="data:text/html;base64,PHNjcmlwdD4="), None),
        (ImagePart(url="https://evil.example/pixel.png"), None),
        (ImagePart(data="A" * 4_000_000, media_type="image/png"), None),
        (ImagePart(data='"onerror="', media_type="image/png;x"), None),
        (ImagePart(), None),
    ],
)
def test_only_small_raster_images_of_the_conversation_are_shown(part: ImagePart, source: str | None) -> None:
    (block,) = part_blocks([part])

    assert block.source == source
    assert block.label


def test_every_kind_of_part_has_a_block() -> None:
    parts: list[Part] = [
        DocumentPart(title="a.pdf", media_type="application/pdf", data="QUJD"),
        OpaquePart("openai_responses", {"type": "web_search_call", "query": "x"}),
        RedactedThinkingPart("abc"),
        TextPart("<system-reminder>\nNote.\n</system-reminder>"),
    ]

    assert [block.kind for block in part_blocks(parts, wish=Wish())] == [
        "document",
        "opaque",
        "hidden_thinking",
        "reminder",
    ]

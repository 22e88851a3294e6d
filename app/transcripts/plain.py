"""An answer as lines of plain text: thinking, text, calls and refusals in their order, why it ended. Pure."""

from collections.abc import Iterator

from app.messages import RedactedThinkingPart, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from app.transcripts.answers import ReadAnswer


def answer_lines(answer: ReadAnswer) -> Iterator[str]:
    """The answer as it reads. Ids are left out."""
    for choice in answer.choices:
        for part in choice.parts:
            match part:
                case TextPart(text=text):
                    yield from text.splitlines()
                case ThinkingPart(thinking=text):
                    yield from (f"thinking: {line}" for line in text.splitlines())
                case RedactedThinkingPart():
                    yield "thinking that only its provider can read"
                case ToolCallPart(name=name, arguments=arguments):
                    yield f"call: {name} {arguments}"
                case RefusalPart(refusal=text):
                    yield f"refusal: {text}"
                case _:
                    yield f"a part of another kind: {type(part).__name__}"
        yield f"ends with: {choice.reason}"
    yield from answer.plain.splitlines()
    if answer.error is not None:
        yield f"error: {answer.error}"

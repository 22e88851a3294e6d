"""Failures of tools, for APIs whose results have no field for them: the text says it. Pure."""

from msgspec.structs import replace

from app.messages import TextPart, ToolResultPart

_WORD = "error"
_BEGINNING = 40
"""Characters among which a text that says so itself has the word."""


def with_error_in_text(result: ToolResultPart) -> ToolResultPart:
    """The result with a text that says that the tool failed; the same object where it did not, or where its text
    begins with that."""
    if not result.is_error:
        return result
    match result.content:
        case (TextPart(text=text) as first, *others):
            if _WORD in text[:_BEGINNING].casefold():
                return result
            return replace(result, content=(replace(first, text=f"Error: {text}"), *others))
        case content:
            return replace(result, content=(TextPart("Error"), *content))

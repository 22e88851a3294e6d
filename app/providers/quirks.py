"""What an API that is like OpenAI's takes otherwise than chat completions at OpenAI: data, and how it is put together.

Each quirk says of itself what the page docs/providers.md prints of it, so that a further one is a field here and a
value, with its source, in a row of `rows`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

_T = TypeVar("_T")


def quirk(default: _T, text: str, why: str) -> _T:
    """A field of `Quirks`. `text` is what the page prints of every other value than `default`, which stands in it in
    place of `{}`; `why` is the reason for it."""
    return field(default=default, metadata={"text": text, "why": why})


@dataclass(frozen=True)
class ThinkingHistory:
    """What an API that is like OpenAI's does with the thinking of earlier turns. OpenAI's has no field for it."""

    fields: tuple[str, ...] | None = None
    """The fields of an assistant's message that it reads thinking from. Empty: it refuses or ignores all of them, so
    none is sent. None: not known; a client's own fields go on as they came, and thinking from a client of another API
    goes as `reasoning_content`."""
    is_required: bool = False
    """It refuses a conversation with tools in which a turn's thinking is missing: a filler stands in for what the
    client lost."""
    in_content: bool = False
    """Thinking may stand among the parts of the content."""
    signed_calls: bool = False
    """It takes back the signatures that Gemini gives to tool calls."""
    needs_signatures: bool = False
    """It refuses a tool call without: a filler stands in for one that is missing."""
    signed_blocks: bool = False
    """It takes `thinking_blocks`, in which LiteLLM has Anthropic's signed thinking."""

    def __str__(self) -> str:
        """What the page prints of it."""
        parts = []
        if self.fields:
            names = ", ".join(f"`{name}`" for name in self.fields)
            parts.append(
                f"earlier thinking as {names}" + (", a filler where it is missing" if self.is_required else "")
            )
        elif self.fields is not None and not self.signed_calls:
            parts.append("no earlier thinking" + (" but in the content" if self.in_content else ""))
        if self.signed_calls:
            parts.append("Gemini's signatures of tool calls, a filler where a model needs one that is missing")
        if self.signed_blocks:
            parts.append("`thinking_blocks`")
        return "; ".join(parts)


_UNKNOWN = ThinkingHistory()


@dataclass(frozen=True)
class Quirks:
    """A path in these fields is one of `app.backends.direct.dropped_fields`: `store`, `tools[*].function.strict`."""

    developer: bool = quirk(False, "`developer` as it is, not as `system`", "it has this role")
    max_completion_tokens: bool = quirk(
        False, "`max_completion_tokens` in place of `max_tokens`", "the older name is refused or deprecated"
    )
    stream_options: bool = quirk(True, "no `stream_options`", "refused")
    top_k: bool = quirk(False, "`top_k`", "taken, though OpenAI's API does not have it")
    custom_tools: bool = quirk(False, "custom tools as they are, not as functions", "OpenAI's APIs alone have them")
    dropped: frozenset[str] = quirk(frozenset(), "no {}", "refused")
    """Paths of fields."""
    dropped_in_reasoning: frozenset[str] = quirk(
        frozenset(), "no {} beside an effort other than `none`", "refused while the model reasons"
    )
    renamed: tuple[tuple[str, str], ...] = quirk((), "{}", "another name for the same")
    """Pairs of OpenAI's name of a field and the provider's."""
    tool_choice: tuple[tuple[str, str], ...] = quirk((), "`tool_choice`: {}", "another word for the same")
    """Pairs of OpenAI's word and the provider's."""
    metadata_needs_store: bool = quirk(False, "no `metadata` without `store: true`", "refused")
    json_schema: bool = quirk(
        True, "`json_object` for a `json_schema`, which follows the instructions", "a schema is refused"
    )
    text_parts: bool = quirk(True, "a list of texts as one text", "some models refuse lists")
    """A list that holds something else stays one."""
    one_system_message: bool = quirk(
        False, "one `system` message; those further down as the user's", "more than one is refused"
    )
    temperature: tuple[float, float] | None = quirk(None, "`temperature` within {}", "others are refused")
    """The lowest and the highest that it takes."""
    thinking: ThinkingHistory = quirk(_UNKNOWN, "{}", "wanted or refused in later turns")  # noqa: RUF009
    longest_call_id: int | None = quirk(None, "ids of tool calls within {} characters", "longer ones are refused")
    alphanumeric_call_ids: bool = quirk(
        False, "ids of tool calls of letters and digits, all of that length", "others are refused"
    )
    sources: Mapping[str, str] = field(default_factory=dict)
    """A quirk's name -> the page of the provider's documentation, or the report, that it is known from."""

    def stated(self) -> list[str]:
        """The names of the quirks that are other than the default."""
        return [one.name for one in fields(self) if one.metadata and getattr(self, one.name) != one.default]

    def joined(self, other: "Quirks") -> "Quirks":
        """These and `other`, which counts where both say something, but for fields to drop, which add up."""
        stated = {name: getattr(other, name) for name in other.stated()}
        for name in ("dropped", "dropped_in_reasoning"):
            stated[name] = getattr(self, name) | getattr(other, name)
        return replace(self, **stated, sources={**self.sources, **other.sources})

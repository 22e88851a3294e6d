"""The form of a prompt in a body as a provider gets it, in any of its APIs. Pure.

Compared with that of the request before, it tells what the translation made of a prompt that neither the client nor a
policy had changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.prompt_forms.blocks import CACHE_MARK, INSTRUCTIONS, Marks, encode, hash_of_text, without_mark
from telemetry import PromptForm
from telemetry.prompt_cache import packed

_REASONING = ("thinking", "reasoning", "reasoning_effort", "output_config")
_TEXT = {"type", "text"}


def form_of_body(body: Mapping[str, Any]) -> PromptForm:
    """The form of a body of chat completions, messages or responses."""
    marks = Marks()
    marks.note(body.get(CACHE_MARK))
    messages = _listed(body.get("messages") or body.get("input"))
    first = next((at for at, one in enumerate(messages) if one.get("role") not in INSTRUCTIONS), len(messages))
    system = [*_listed(body.get("system") or body.get("instructions")), *messages[:first]]
    settings = (body.get("tool_choice"), tuple([body.get(name) for name in _REASONING]))
    return PromptForm(
        tools=packed([hash(encode(without_mark(tool, marks))) for tool in _listed(body.get("tools"))]),
        system=packed([_block(one, marks) for one in system]),
        messages=packed([_block(one, marks) for one in messages[first:]]),
        parameters=packed((*[hash(encode(setting)) for setting in settings], int(marks.found))),
    )


def _listed(value: Any) -> Sequence[dict[str, Any]]:
    """Messages or parts; a text alone is a list of one."""
    given = [value] if isinstance(value, str) else value or ()
    return [one if type(one) is dict else {"content": one} for one in given]


def _block(block: dict[str, Any], marks: Marks) -> int:
    content = block.get("content")
    if isinstance(content, list):
        parts = [_part(part, marks) for part in content]
        is_text = len(parts) == 1 and type(parts[0]) is dict and parts[0].keys() == _TEXT
        content = parts[0]["text"] if is_text else parts
        block = {**block, "content": content}
    if isinstance(content, str):
        # A text is most of a prompt, and Python keeps its hash: that of one that goes on as it came is known already.
        rest = {name: value for name, value in block.items() if name != "content"}
        return hash((hash_of_text(content), encode(without_mark(rest, marks))))
    return hash(encode(without_mark(block, marks)))


def _part(part: Any, marks: Marks) -> Any:
    if type(part) is not dict:
        return part
    if type(inner := part.get("content")) is list:
        part = {**part, "content": [_part(one, marks) for one in inner]}
    return without_mark(part, marks)

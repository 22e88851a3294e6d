"""Prompts made of short words, each of which stands for a block."""

from telemetry import PromptForm, PromptForms
from telemetry.prompt_cache import packed

MINUTES = 300.0


def form(
    messages: str, tools: str = "t", system: str = "s", parameters: tuple[int, int, int] = (0, 0, 0)
) -> PromptForm:
    """`messages`, `tools` and `system` have a block for each of their words."""
    blocks = (packed(map(hash, words.split())) for words in (tools, system, messages))
    of_tools, of_system, of_messages = blocks
    return PromptForm(of_tools, of_system, packed(parameters), of_messages)


def prompt(client: PromptForm, sent: PromptForm | None = None, conversation: int = 1) -> PromptForms:
    return PromptForms(conversation, client, sent or client, MINUTES)

"""Prompt caches of providers: which conversation had a warm one, and why it was missed.

A provider reads a prompt from its cache as far as it is the same as before: tools, then system, then messages. `forms`
has what a prompt looked like, block by block; `comparison` finds what changed first; `conversations` remembers, within
bounds, how each conversation was sent last.
"""

from telemetry.prompt_cache.comparison import CacheMiss, as_if_read
from telemetry.prompt_cache.conversations import PromptCaches, WatchedPrompt
from telemetry.prompt_cache.forms import PromptForm, PromptForms, packed

__all__ = ["CacheMiss", "PromptCaches", "PromptForm", "PromptForms", "WatchedPrompt", "as_if_read", "packed"]

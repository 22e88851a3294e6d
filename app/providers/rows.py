"""Every provider that the gateway has facts about: a row each, data alone.

Each quirk has its source. A provider without a row is asked through LiteLLM, which may know it.
"""

from app.providers.by_litellm import BY_LITELLM
from app.providers.first_parties import FIRST_PARTIES
from app.providers.openai_compatible import COMPATIBLE
from app.providers.row import Provider

ROWS = (*FIRST_PARTIES, *COMPATIBLE, *BY_LITELLM, Provider("simulated", "simulated"))
THINKING_REQUIRED_BY = ("deepseek", "kimi", "mimo-v")
"""Parts of names of models that refuse a conversation with tools without its thinking, wherever they are served: the
rule comes with the model's template (github.com/anomalyco/opencode/issues/24722, can1357/oh-my-pi/issues/787)."""
SIGNATURES_NEEDED_BY = ("gemini-3", "gemini-4", "gemini-pro-latest", "gemini-flash-latest", "gemini-flash-lite-latest")
"""Parts of names of models that answer 400 to a tool call without its signature; older ones do not."""

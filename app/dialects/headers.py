"""Which of a client's headers go with its request; all others end at the gateway. What a provider is sent of them is
its backend's to choose, with the operator's own on top.
"""

from collections.abc import Mapping

OPENAI = frozenset({"openai-beta", "x-client-request-id"})
ANTHROPIC = frozenset({"anthropic-version", "anthropic-beta", "x-claude-code-session-id"})


def kept(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    """Those of `names`, which are lower-case, however the client wrote them."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in names}

"""Which of a client's headers go with its request to a provider of its dialect; all others end at the gateway. What the
operator says, goes over them: a client may name an organization only where the operator names none, and then it is the
provider that holds it to the operator's key.
"""

from collections.abc import Mapping

OPENAI = frozenset({"openai-beta", "openai-organization", "openai-project", "x-client-request-id"})
ANTHROPIC = frozenset({"anthropic-version", "anthropic-beta", "x-claude-code-session-id"})


def kept(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    """Those of `names`, which are lower-case, however the client wrote them."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in names}

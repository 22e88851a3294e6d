"""The tokens of one attempt: what its provider counted, and an estimate of what nobody counted. Pure.

Usage is cumulative, so the last one counts, and the text that came after it is estimated: Anthropic counts the prompt
first and the answer last, OpenAI both last, Gemini both with each chunk. An answer that ended as its provider meant it
to has nothing left to estimate, unless a provider counts nothing at all.
"""

from msgspec import Struct

from app.dialects.estimate import estimate_input_tokens, estimate_output_tokens
from app.messages import Message, ModelResponse, Request, Usage
from app.prices import billed_dollars
from app.settings import Deployment
from telemetry import Tokens


class AnswerUsage(Struct, eq=False):
    """Gathers what one attempt's response says of its tokens. `request` is looked at only where the provider does not
    count its tokens."""

    request: Request
    chars: int = 0
    """How many characters of the answer came."""
    chars_counted: int = 0
    """How many of these had come before the count."""
    usage: Usage | None = None
    """The latest count."""
    service_tier: str | None = None

    @property
    def has_begun(self) -> bool:
        """Whether something of an answer came."""
        return bool(self.chars) or self.usage is not None

    def count(self, response: ModelResponse) -> None:
        """Take the count of a chunk or a whole response that has one."""
        if response.usage is not None:
            self.usage = response.usage
            self.chars_counted = self.chars
            self.service_tier = response.service_tier or self.service_tier

    def tokens(self) -> Tokens:
        """All tokens of the attempt, estimated where no count of them came."""
        usage = self.usage or Usage()
        if usage.extra.get("estimated"):
            return Tokens.of(usage, usage.prompt_tokens, usage.completion_tokens)
        # A zero beside text says nothing.
        text = self.chars - (self.chars_counted if usage.completion_tokens else 0)
        if not text and usage.prompt_tokens:
            return Tokens.of(usage)
        completion = estimate_output_tokens(text) if text else 0
        prompt = 0 if usage.prompt_tokens else estimate_input_tokens(self.request)
        whole = Usage(
            usage.prompt_tokens + prompt,
            usage.completion_tokens + completion,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            usage.reasoning_tokens,
        )
        return Tokens.of(whole, prompt, completion)

    def dollars(self, tokens: Tokens, deployment: Deployment) -> float | None:
        """What these tokens cost: by the configuration, else what the provider itself says of a whole answer, else by
        its list price in the tier of service that it says. None where nobody knows."""
        extra = {} if self.usage is None else self.usage.extra
        if extra and deployment.cost_source == "catalogue" and not tokens.is_estimated:
            billed = billed_dollars(deployment.provider, extra)
            if billed is not None:
                return billed
        return None if deployment.cost is None else self.listed_dollars(tokens, deployment)

    def listed_dollars(self, tokens: Tokens, deployment: Deployment) -> float | None:
        """What these tokens cost at the deployment's price; None where it has none."""
        if (cost := deployment.cost) is None:
            return None
        extra = {} if self.usage is None else self.usage.extra
        tier = self.service_tier or extra.get("service_tier")
        return cost.dollars(tokens, extra, tier if isinstance(tier, str) else None)


def characters_beside_content(message: Message) -> int:
    """The characters of an answer's piece that a model wrote beside its text: thinking, refusals, and calls."""
    count = len(message.reasoning_content or "") + len(message.refusal or "")
    for call in message.tool_calls:
        count += len(call.function.name or "") + len(call.function.arguments)
    return count

"""The tokens of an attempt in disjoint parts, so that a sum over them counts none twice."""

from typing import Protocol

from msgspec import Struct


class Usage(Protocol):
    """Tokens as a provider counts them. `prompt_tokens` includes those read from or written to a cache,
    `completion_tokens` those of reasoning."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def cache_read_input_tokens(self) -> int: ...
    @property
    def cache_creation_input_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...


class Tokens(Struct, gc=False):
    """The tokens of one attempt, or of several, which do not change. The first five are disjoint; the sums of some of
    them are made once, as every attempt is asked for them several times."""

    input: int
    """The tokens of the prompt that had nothing to do with a cache."""
    cache_read: int
    cache_write: int
    output: int
    """The tokens of the answer without its reasoning."""
    reasoning: int
    uncounted_prompt: int = 0
    """How many of the prompt are an estimate, because the provider did not count them."""
    uncounted_completion: int = 0
    """How many of the answer are an estimate."""
    prompt: int = 0
    """All of the prompt."""
    completion: int = 0
    """All of the answer."""
    is_estimated: bool = False
    """Whether the provider did not count some of them."""

    def __post_init__(self) -> None:
        self.prompt = self.input + self.cache_read + self.cache_write
        self.completion = self.output + self.reasoning
        self.is_estimated = self.uncounted_prompt > 0 or self.uncounted_completion > 0

    @classmethod
    def of(cls, usage: Usage, uncounted_prompt: int = 0, uncounted_completion: int = 0) -> "Tokens":
        """A part that is greater than its whole is taken to be the whole."""
        prompt, completion = max(0, usage.prompt_tokens), max(0, usage.completion_tokens)
        if not (usage.cache_read_input_tokens or usage.cache_creation_input_tokens or usage.reasoning_tokens):
            return cls(prompt, 0, 0, completion, 0, uncounted_prompt, uncounted_completion)
        read = min(max(0, usage.cache_read_input_tokens), prompt)
        written = min(max(0, usage.cache_creation_input_tokens), prompt - read)
        reasoning = min(max(0, usage.reasoning_tokens), completion)
        return cls(
            prompt - read - written,
            read,
            written,
            completion - reasoning,
            reasoning,
            uncounted_prompt,
            uncounted_completion,
        )

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.uncounted_prompt + other.uncounted_prompt,
            self.uncounted_completion + other.uncounted_completion,
        )

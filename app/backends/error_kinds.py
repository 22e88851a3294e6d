"""What a provider's error is about, where its status does not say: a conversation that is too long for the model, an
input that it will not serve, a model that it does not have, or a rate limit that came with another status. Pure.

Providers answer all of them with almost any status, within a stream and within a body of status 200. Each row of the
tables has its source beside it. Codes and types count before words, and words only in the sentence that a provider
writes: a prompt that it quotes begins behind that. The codes are in `app.upstream_statuses`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.upstream_statuses import RATE_LIMITED, ErrorKind, kind_of_word, status_of_words


class Words(NamedTuple):
    """How one provider words an error."""

    pattern: str
    """A regular expression, without regard to case."""
    source: str
    """Who words it so, and where that can be read."""


_OTHERWISE = frozenset({401, 402, 408, 409, 425, 429, 503, 504, 529})
"""Statuses that no words change: a key, a quota, or a provider that is busy."""
_LOOKED_AT = 1000
"""Characters at the beginning of a text."""

_OVERFLOWS = (
    Words(r"prompt is too long", "Anthropic: docs.anthropic.com, 'Context windows'; Databricks"),
    Words(r"exceed context limit", "Anthropic: input and max_tokens together"),
    Words(r"maximum context length", "OpenAI, Azure, OpenRouter, vLLM, DeepSeek, Together, Fireworks"),
    Words(r"exceeds? the context window", "OpenAI's Responses API"),
    Words(r"input tokens exceed the configured limit", "OpenAI: gpt-5"),
    Words(r"input token count\b.{0,80}exceeds the maximum", "Gemini, Vertex AI"),
    Words(r"too large for model with \d+ maximum context", "Mistral"),
    Words(r"reduce the length of the messages", "Groq: console.groq.com/docs/errors"),
    Words(r"input is too long for (the )?requested model", "Bedrock: ValidationException"),
    Words(r"expected max\w*: ?\d+.{0,40}actual.{0,20}\d+ tokens|too many input tokens", "Bedrock: Titan, Nova"),
    Words(r"too many tokens: (total|the)|size limit exceeded .{0,60}token", "Cohere"),
    Words(r"exceeds? the available context size", "llama.cpp: tools/server, LM Studio"),
    Words(r"context size has been exceeded", "llama.cpp, amid a stream"),
    Words(r"greater than the context length", "LM Studio"),
    Words(r"prompt too long; exceeded (max )?context length|input length exceeds (the )?context length", "Ollama"),
    Words(r"maximum prompt length is \d+", "xAI"),
    Words(r"context window exceeds limit", "MiniMax"),
    Words(r"exceeded model token limit", "Moonshot"),
    Words(r"current length is \d+ while limit is", "Cerebras"),
    Words(r"longer than the maximum model length|maximum model length of \d+", "vLLM, before and after its tokenizer"),
    Words(r"longer than the model's context length", "SGLang"),
    Words(r"`inputs` tokens \+ `max_new_tokens` must be", "Hugging Face's text-generation-inference"),
    Words(r"input length should be \[?1, ?\d+\]?|range of input length should be", "Alibaba: DashScope"),
    Words(r"prompt tokens exceeds? the (max|limit)|prompt exceeds max(imum)? (context )?length", "Z.ai"),
    Words(r"prompt token count of \d+ exceeds the limit", "GitHub Copilot"),
    Words(r"maximum input length is \d+ tokens", "Databricks"),
    Words(r"contextwindowexceedederror|capability_rejected: prompt_too_long", "another gateway: LiteLLM, and this one"),
)
_NO_OVERFLOW = re.compile(
    r"tokens? per (min|day|hour|second)|\b[tr]p[mds]\b|rate.?limit|quota|too many requests|throttl", re.IGNORECASE
)
"""A rate limit speaks of tokens, too, and passes by itself."""
_REFUSALS = (
    Words(r"content management policy|responsibleaipolicyviolation", "Azure"),
    Words(r"blocked by content filtering policy", "Anthropic"),
    Words(r"rejected as a result of our safety system", "OpenAI: images"),
    Words(r"content violates usage guidelines", "xAI, as a 403"),
    Words(r"^content exists risk", "DeepSeek"),
    Words(r"(input|output)( data| text)? (data )?may contain inappropriate content", "Alibaba: DashScope"),
    Words(r"rejected because it was considered high risk", "Moonshot"),
    Words(r"^.{0,60}requires moderation on .{0,80}your input was flagged", "OpenRouter"),
)
_MISSING = (
    Words(r"^the model .{1,100} (does not exist|has been deprecated|has been decommissioned)", "OpenAI, Groq, vLLM"),
    Words(r"^model .{1,100} (not found|does not exist)|^model:", "Ollama, Cohere, Anthropic"),
    Words(r"^model not (found|exist)", "Fireworks, DeepSeek"),
    Words(r"^invalid model\b|^unknown model\b", "Mistral, Perplexity, GitHub Models"),
    Words(r"is not a valid model id", "OpenRouter"),
    Words(r"^no endpoints found for", "OpenRouter"),
    Words(r"^the provided model identifier is invalid", "Bedrock"),
    Words(r"publisher model .{1,200} was not found|^models/.{1,100} is not found", "Vertex AI, Gemini"),
    Words(r"^the api deployment for this resource does not exist", "Azure"),
    Words(r"^(no such model|unable to access model)\b", "Together, SGLang"),
)


def _compiled(rows: tuple[Words, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{row.pattern})" for row in rows), re.IGNORECASE)


_TABLES: tuple[tuple[ErrorKind, re.Pattern[str]], ...] = (
    ("content_refused", _compiled(_REFUSALS)),
    ("context_overflow", _compiled(_OVERFLOWS)),
    ("model_not_found", _compiled(_MISSING)),
)


_RATE_LIMIT = re.compile(
    r"rate.?limit|too many requests|request limit reached|throttl|requests? per (second|minute|hour|day)"
    r"|quota (has been |was |is )?exceeded|exceed\w* (your|the) .{0,30}quota",
    re.IGNORECASE,
)


def is_rate_limit(text: str) -> bool:
    """Whether an error's words say that it was asked too often."""
    return _RATE_LIMIT.search(text[:_LOOKED_AT]) is not None


def kind_of(status: int | None, error: Mapping[str, Any], *texts: str) -> ErrorKind | None:
    """What an error is about; None if its status says it all. `status`: that of the answer, or the one that the error
    names; `texts`: its words, and those of the provider behind a router."""
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and not metadata.keys().isdisjoint(("reasons", "flagged_input")):
        # OpenRouter's moderation, a 403: openrouter.ai/docs, "Errors".
        return "content_refused"
    for word in _words(error):
        if (kind := kind_of_word(word)) is not None:
            return kind
    if status in _OTHERWISE:
        return None
    texts = tuple(text[:_LOOKED_AT] for text in texts)
    limited = any(_NO_OVERFLOW.search(text) for text in texts)
    if status is not None and status < 500 and _names_a_rate_limit(status, error, limited):
        return "rate_limited"
    for kind, pattern in _TABLES:
        if kind == "context_overflow" and limited:
            continue
        if kind == "model_not_found" and status not in (None, 400, 404, 422):
            continue
        if any(pattern.search(text) for text in texts):
            return kind
    return None


def _names_a_rate_limit(status: int, error: Mapping[str, Any], limited: bool) -> bool:
    """Groq answers with 413 what is too much for a minute, others with 400 or 403: console.groq.com/docs/errors."""
    return (limited and status == _TOO_LARGE) or status_of_words(_words(error)) == RATE_LIMITED


def meant_status(status: int, kind: ErrorKind | None) -> int:
    """The status that an error of this kind stands for, whatever it came with."""
    return RATE_LIMITED if kind == "rate_limited" else status


def exceeds_its_limit(message: str) -> bool:
    """Whether a rate limit is smaller than this one request, so that no wait will make room for it. OpenAI and Groq
    write "Limit 6000, Requested 9170"."""
    found = _LIMIT_AND_REQUESTED.search(message[:_LOOKED_AT])
    return found is not None and int(found[1].replace(",", "")) < int(found[2].replace(",", ""))


_TOO_LARGE = 413
_LIMIT_AND_REQUESTED = re.compile(
    r"\blimit:? ([\d,]{1,20})(?:, used:? [\d,]{1,20})?, requested:? (\d[\d,]{0,19})", re.IGNORECASE
)


def about_another_thing(message: str, param: object) -> bool:
    """Whether a 404 speaks of something else that the request names, such as a file or an earlier response."""
    if isinstance(param, str) and param:
        return param != "model"
    return _OTHER_THING.search(message[:_LOOKED_AT]) is not None


_OTHER_THING = re.compile(
    r"previous.response|\b(response|conversation|container|file|prompt|vector.store|item|batch|session|thread)\b.{0,80}"
    r"(not found|does not exist|expired)|no such (file|container|response|prompt|item)",
    re.IGNORECASE,
)


def _words(error: Mapping[str, Any]) -> Iterator[str]:
    inner = error.get("innererror")
    for one in (error, inner):
        if isinstance(one, Mapping):
            yield from (value for name in ("code", "type", "status") if isinstance(value := one.get(name), str))

"""The tokens that a provider counts, under whatever names and in whatever shape, to the common form: pure.

Two conventions differ between providers, and neither is announced. Reasoning is part of the output at OpenAI, and
counted beside it by xAI (https://docs.x.ai/docs/key-information/consumption-and-rate-limits) and Gemini; what is read
from a cache is part of the input at OpenAI, and counted beside it by Anthropic. The total tells which it is: what it
has beyond input and output belongs to one of them. A count of a wrong type is none, and makes no good answer fail.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from msgspec.structs import replace

from app.messages import Usage

Fields = Mapping[str, Any]

_INPUT = (
    *("prompt_tokens", "input_tokens", "promptTokens", "inputTokens"),
    *("promptTokenCount", "prompt_token_count", "inputTokenCount", "input_token_count", "prompt_eval_count"),
)
_OUTPUT = (
    *("completion_tokens", "output_tokens", "completionTokens", "outputTokens"),
    *("candidatesTokenCount", "candidates_token_count", "outputTokenCount", "output_token_count", "eval_count"),
)
_TOTAL = ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "promptTokensDetails", "inputTokensDetails")
_OUTPUT_DETAILS = (
    *("completion_tokens_details", "output_tokens_details"),
    *("completionTokensDetails", "outputTokensDetails"),
)
_READ_NAMES_OF_ANTHROPIC = ("cache_read_input_tokens", "cacheReadInputTokens")
_WRITE_NAMES_OF_ANTHROPIC = ("cache_creation_input_tokens", "cacheCreationInputTokens", "cacheWriteInputTokens")
_READ = (
    *("cached_tokens", "cachedTokens", "prompt_cache_hit_tokens", *_READ_NAMES_OF_ANTHROPIC),
    *("cache_read_tokens", "cachedContentTokenCount", "cached_content_token_count"),
)
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cacheWriteTokens", *_WRITE_NAMES_OF_ANTHROPIC)
_REASONING = (
    *("reasoning_tokens", "reasoningTokens", "thinking_tokens", "thinkingTokens"),
    *("thoughtsTokenCount", "thoughts_token_count"),
)
COUNT_NAMES = frozenset([*_INPUT, *_OUTPUT])
"""A field of one of these names makes an object one that counts tokens."""
_OF_ANTHROPIC = frozenset([*_READ_NAMES_OF_ANTHROPIC, *_WRITE_NAMES_OF_ANTHROPIC])
_IN_CHATS = ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
_IN_RESPONSES = ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")
_IN_MESSAGES = frozenset(
    [
        *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
        *("inference_geo", "server_tool_use", "service_tier"),
    ]
)
"""The fields of a plain usage of Anthropic's: each of them counts what it says and nothing else."""
_OF_KINDS = ["audio_tokens", "image_tokens", "text_tokens"]
_PLAIN = {names: frozenset([*names, "total_tokens"]) for names in (_IN_CHATS, _IN_RESPONSES)}
_PLAIN_INPUT = frozenset(["cached_tokens", *_OF_KINDS])
_PLAIN_OUTPUT = frozenset(["reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", *_OF_KINDS])


def decode_counts(fields: Fields, *, input_has_cache: bool = True) -> Usage:
    """Tokens as the common form counts them, without `extra`. `input_has_cache`: whether, for want of a total, the
    input is taken to include what came from a cache."""
    plain = _plain_counts(fields) if input_has_cache else _plain_counts_beside_cache(fields)
    if plain is not None:
        return plain
    ins, outs = _details(fields, _INPUT_DETAILS), _details(fields, _OUTPUT_DETAILS)
    read = _first((ins, fields), _READ) or 0
    written = _first((ins, fields), _WRITTEN) or 0
    reasoning = _first((outs, fields), _REASONING) or 0
    given, made, total = (_first((fields,), names) for names in (_INPUT, _OUTPUT, _TOTAL))
    if total is not None:
        given = max(0, total - (made or 0)) if given is None else given
        made = max(0, total - given) if made is None else made
    prompt, completion = given or 0, made or 0
    beside = max(0, (total or 0) - prompt - completion)
    cached = read + written
    if cached and _is_beside(cached, beside, prompt, reasoning, input_has_cache and not _counts_like_anthropic(fields)):
        prompt += cached
        beside = max(0, beside - cached)
    completion += _thought_beside(completion, beside, reasoning, has_total=bool(total))
    return Usage(prompt, completion, read, written, min(reasoning, completion))


def _plain_counts(fields: Fields) -> Usage | None:
    """What most servers of OpenAI's APIs say, which leaves nothing to be found out; None for all else."""
    names = _IN_CHATS if "prompt_tokens" in fields else _IN_RESPONSES
    if not fields.keys() <= _PLAIN[names]:
        return None
    given_name, made_name, ins_name, outs_name = names
    given, made = fields.get(given_name), fields.get(made_name)
    if type(given) is not int or type(made) is not int or min(given, made) < 0:
        return None
    if given + made != fields.get("total_tokens"):
        return None
    read = reasoning = 0
    if ins := fields.get(ins_name):
        if type(ins) is not dict or not ins.keys() <= _PLAIN_INPUT:
            return None
        read = ins.get("cached_tokens") or 0
    if outs := fields.get(outs_name):
        if type(outs) is not dict or not outs.keys() <= _PLAIN_OUTPUT:
            return None
        reasoning = outs.get("reasoning_tokens") or 0
    are_within = type(read) is int and 0 <= read <= given and type(reasoning) is int and 0 <= reasoning <= made
    return Usage(given, made, read, 0, reasoning) if are_within else None


def _plain_counts_beside_cache(fields: Fields) -> Usage | None:
    """What Anthropic says, as `_plain_counts`."""
    if not fields.keys() <= _IN_MESSAGES:
        return None
    given, made = fields.get("input_tokens", 0), fields.get("output_tokens", 0)
    read, written = fields.get("cache_read_input_tokens", 0), fields.get("cache_creation_input_tokens", 0)
    if not type(given) is type(made) is type(read) is type(written) is int or min(given, made, read, written) < 0:
        return None
    return Usage(given + read + written, made, read, written)


def later(before: Usage | None, usage: Usage) -> Usage:
    """Usage after `before` in one stream: counts are never added up, and a zero says nothing."""
    if before is None:
        return usage
    kept = {
        name: getattr(before, name)
        for name in ("prompt_tokens", "completion_tokens", *_PARTS)
        if not getattr(usage, name) and getattr(before, name)
    }
    return replace(usage, **kept) if kept else usage


_PARTS = ("cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens")


def tokens(value: object) -> int | None:
    """A count; None for what is none. Texts and floating point numbers are read."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return int(value)


def _is_beside(cached: int, beside: int, prompt: int, reasoning: int, input_has_cache: bool) -> bool:
    if cached > prompt:
        return True
    if beside:
        return beside in (cached, cached + reasoning)
    return not input_has_cache


def _thought_beside(completion: int, beside: int, reasoning: int, has_total: bool) -> int:
    """The tokens of reasoning that the output does not have yet. Gemini names no reasoning, and shows it in the total
    alone; what a total has beside a reasoning that the output may well hold is something else."""
    if not has_total:
        return reasoning if reasoning > completion else 0
    if not reasoning:
        return beside
    return min(beside, reasoning) if beside == reasoning or reasoning > completion else 0


def _counts_like_anthropic(fields: Fields) -> bool:
    """Whether a provider of another API counts in Anthropic's words, which leave the cache out of the input."""
    return (
        "input_tokens" in fields
        and not fields.get("prompt_tokens")
        and not fields.get("total_tokens")
        and not _OF_ANTHROPIC.isdisjoint(fields)
    )


def _details(fields: Fields, names: Iterable[str]) -> Fields:
    """The object of details under one of these names; where it is a list, what its objects hold together."""
    for name in names:
        if not (found := fields.get(name)):
            continue
        if isinstance(found, dict):
            return found
        if isinstance(found, list):
            return {key: value for one in found if isinstance(one, dict) for key, value in one.items()}
    return {}


def _first(sources: Iterable[Fields], names: Iterable[str]) -> int | None:
    """The first count that is more than zero; zero if there is only that, None if there is none at all."""
    found: int | None = None
    for fields in sources:
        for name in names:
            if name in fields and (count := tokens(fields[name])) is not None:
                if count:
                    return count
                found = 0
    return found

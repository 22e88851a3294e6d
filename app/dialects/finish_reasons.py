"""What providers' words for the end of an answer mean: one table for all APIs and roads. Pure.

A word stays in the common form as the provider wrote it, so that telemetry and policies see it; who has to know what it
means asks here. Spelling does not count (`MAX_TOKENS`, `maxTokens`), nor what stands around a known word
(`content_filter: RECITATION`, `FinishReason.SAFETY`). A word that nobody here knows is neither a good end nor a bad
one: it is passed on by its name.

Sources: the API references of OpenAI, Anthropic, Gemini (`FinishReason`), Amazon Bedrock (`StopReason`), Mistral,
DeepSeek, Z.ai, Cohere, OpenRouter, watsonx.ai and Reka; vLLM's, SGLang's, TGI's and TensorRT-LLM's sources; LiteLLM's
map of finish reasons, from which this one differs where that takes a failure for a good end.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

from msgspec import json
from msgspec.structs import replace

from app.dialects.dialect import DIALECTS
from app.dialects.errors import ProviderFailed
from app.dialects.json_splice import Path, with_value_at
from app.dialects.tool_calls import parsed_object
from app.messages import Dialect, Message, ModelResponse, ToolCall

Meaning = Literal["stop", "tool_calls", "function_call", "length", "content_filter", "failed"]
"""OpenAI's finish reasons, and `failed`: the provider broke off, and what it has said is no answer."""

WORDS: Mapping[Meaning, tuple[str, ...]] = {
    "stop": (
        *("stop", "end_turn", "stop_sequence", "completed", "complete", "eos", "eos_token", "end_id", "stop_words"),
        *("normal", "end_of_text", "end_of_sequence", "finished"),
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use"),
    "function_call": ("function_call",),
    "length": (
        *("length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_length", "model_length", "token_limit"),
        *("model_context_window_exceeded", "context_window_exceeded", "context_length_exceeded", "context_length"),
        *("context", "error_limit", "time_limit", "repetition"),
        # Claude is not done, but a client of another API cannot ask it to go on.
        *("pause_turn", "compaction"),
    ),
    "content_filter": (
        *("content_filter", "content_filtered", "content_policy", "refusal", "sensitive", "guardrail_intervened"),
        *("safety", "recitation", "language", "other", "blocklist", "prohibited_content", "spii", "escalation"),
        *("image_safety", "image_prohibited_content", "image_recitation", "image_other", "no_image", "error_toxic"),
        *("model_armor", "moderation", "blocked"),
    ),
    "failed": (
        *("error", "failed", "failure", "server_error", "internal_error", "internal_server_error", "network_error"),
        *("insufficient_system_resource", "overloaded", "overloaded_error", "abort", "aborted", "cancelled"),
        *("canceled", "cancel", "user_cancel", "interrupted", "timeout", "timed_out", "not_finished"),
        *("malformed_function_call", "malformed_tool_call", "malformed_tool_use", "malformed_response"),
        *("malformed_model_output", "unexpected_tool_call", "too_many_tool_calls", "missing_thought_signature"),
    ),
}
_NO_REASON = frozenset({"null", "none"})
"""What some servers write, as a text, in every chunk before the last one."""
_NAMES_OF_REASONS = ("type", "reason", "finish_reason", "stop_reason", "name", "value")
_NOT_A_LETTER = re.compile(r"[^a-z]+")
_BETWEEN_WORDS = re.compile(r"[:./(]")
_GRAVITY: Mapping[Meaning | None, int] = {
    "stop": 0,
    "function_call": 1,
    "tool_calls": 1,
    # A word that nobody knows says more than a good end, and less than a bad one.
    None: 2,
    "length": 3,
    "content_filter": 4,
    "failed": 5,
}
_KNOWN_WORDS = 256
_LONGEST_WORD = 64


def meaning_of(word: str) -> Meaning | None:
    """What a provider's word means; None for one that is not known."""
    # Of what strangers write nothing long is kept.
    return _known_meaning(word[:_LONGEST_WORD])


def reason_in(value: Any) -> str | None:
    """Why a choice ended, as the provider wrote it, for the field of its body; None for one that goes on. What is no
    text is told in one: the word in an object, or a number, which nobody knows the meaning of."""
    if not value or isinstance(value, str):
        return None if not value or value.lower() in _NO_REASON else value
    if isinstance(value, dict):
        word = next((value[name] for name in _NAMES_OF_REASONS if value.get(name)), None)
        return reason_in(word or json.encode(value).decode()[:_LONGEST_WORD])
    return reason_in(value[-1]) if isinstance(value, list) else json.encode(value).decode()


def graver(before: str | None, after: Any) -> Any:
    """The one of two reasons for the end of the same choice that says less good of it; of equals, the later one."""
    if before is None or not isinstance(after, str):
        return after or before
    return before if _GRAVITY[meaning_of(before)] > _GRAVITY[meaning_of(after)] else after


def refuse_failed(response: ModelResponse) -> ModelResponse:
    """Return a provider's response, or chunk, unchanged. Raises ProviderFailed where a reason to finish says that the
    provider broke off, with what the response holds beside that reason."""
    for choice in response.choices:
        reason = choice.finish_reason
        if reason is not None and meaning_of(reason) == "failed":
            partial = replace(response, choices=tuple([replace(one, finish_reason=None) for one in response.choices]))
            raise ProviderFailed(
                {"message": "The provider broke off its answer.", "type": reason[:_LONGEST_WORD]}, partial
            )
    return response


def with_native_reasons(dialect: Dialect, raw: bytes, body: Mapping[str, Any], response: ModelResponse) -> bytes:
    """A provider's JSON, decoded as `body` and as `response`, with the words of the API that it imitates in place of
    others: clients look for those. Of several reasons the gravest is told, again. `raw` itself if no word has to go."""
    api = DIALECTS[dialect]
    for path, choice in zip(api.reason_paths(body), response.choices, strict=False):
        word = _value_at(body, path)
        reason = choice.finish_reason
        if not isinstance(word, str) or not isinstance(reason, str):
            continue
        is_same = word == reason or meaning_of(word) == meaning_of(reason)
        if not is_same or word != api.native_reason(word):
            raw = with_value_at(raw, path, api.native_reason(reason))
    return raw


def _value_at(body: Any, path: Path) -> Any:
    for step in path:
        body = body.get(step) if isinstance(body, dict) else body[step]
    return body


def refuse_unfinished(response: ModelResponse) -> ModelResponse:
    """Return a provider's whole response unchanged. Raises ProviderFailed for a choice without a reason to finish that
    shows no end, either: nothing was said, or a call's arguments stop midway.

    Some small servers leave the reason out. Of a body that came whole, what was said is whole.
    """
    if any(choice.finish_reason is None and not _shows_its_end(choice.message) for choice in response.choices):
        raise unfinished()
    return response


def refuse_open(begun: Iterable[int], finished: Mapping[int, str]) -> None:
    """Raise ProviderFailed at the end of a stream in which a choice, or all of it, has no reason to finish: a worker
    that died behind a proxy leaves such streams."""
    if not finished or not finished.keys() >= set(begun):
        raise unfinished()


def unfinished() -> ProviderFailed:
    """The error for an answer that ended without saying why."""
    return ProviderFailed({"message": "The provider's answer ended without a finish reason.", "type": "unfinished"})


def _shows_its_end(message: Message | None) -> bool:
    if message is None:
        return False
    if message.tool_calls:
        return all(map(_is_whole, message.tool_calls))
    return bool(message.content or message.refusal or message.extra)


def _is_whole(call: ToolCall) -> bool:
    return call.type == "custom" or parsed_object(call.function.arguments or "{}") is not None


def _letters(word: str) -> str:
    return _NOT_A_LETTER.sub("", word.lower())


_MEANINGS: Mapping[str, Meaning] = {_letters(word): meaning for meaning, words in WORDS.items() for word in words}
_PREFIXES = ("finish_reason_", "stop_reason_")


@lru_cache(_KNOWN_WORDS)
def _known_meaning(word: str) -> Meaning | None:
    for dialect in DIALECTS.values():
        if (found := dialect.stop_reasons.get(word)) is not None:
            return _MEANINGS[_letters(found)]
    lower = word.lower()
    for prefix in _PREFIXES:
        lower = lower.removeprefix(prefix)
    if (whole := _MEANINGS.get(_letters(lower))) is not None:
        return whole
    known = [_MEANINGS[key] for part in _BETWEEN_WORDS.split(lower) if (key := _letters(part)) in _MEANINGS]
    return max(known, key=_GRAVITY.__getitem__, default=None)

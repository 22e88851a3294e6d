"""What an error is about, by what providers wrote in it, and what only looks like it."""

from typing import Any

import pytest

from app.backends.error_kinds import about_another_thing, exceeds_its_limit, kind_of
from app.upstream_statuses import ErrorKind

OVERFLOWS = [
    "prompt is too long: 213462 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.",
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "Please reduce the length of the messages or completion.",
    "Input is too long for requested model.",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5312.",
    "the request exceeds the available context size, try increasing it",
    "The number of tokens to keep from the initial prompt is greater than the context length.",
    "prompt too long; exceeded max context length by 400 tokens",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "invalid params, context window exceeds limit (2013)",
    "Your request exceeded model token limit: 131072 (requested: 200000)",
    "Please reduce the length of the messages. Current length is 9000 while limit is 8192",
    "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`",
    "Range of input length should be [1, 129024]",
    "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - too long",
]
RATE_LIMITS = [
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 45000. "
    "The input or output tokens must be reduced in order to run successfully.",
    "This request would exceed your organization's rate limit of 30,000 input tokens per minute. "
    "Please reduce the length of the messages or try again later.",
    "Rate limit reached for model `x`: too many tokens: total 9000 on tokens per day (TPD)",
]
INNOCENT = [
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
    "Invalid 'user': string too long. Expected a string with maximum length 64.",
    "Invalid 'temperature': decimal above maximum value.",
    "The file is too large for the model.",
    "tools.0.name: String should have at most 64 characters",
]


@pytest.mark.parametrize("status", [None, 400, 413, 422, 500])
@pytest.mark.parametrize("message", OVERFLOWS)
def test_a_conversation_that_is_too_long_is_known_by_every_providers_words(message: str, status: int | None) -> None:
    assert kind_of(status, {"message": message, "code": status}, message) == "context_overflow"


@pytest.mark.parametrize("message", RATE_LIMITS)
def test_what_is_too_much_for_a_minute_is_a_rate_limit_with_status_413_too(message: str) -> None:
    assert kind_of(413, {"message": message}, message) == "rate_limited"


@pytest.mark.parametrize("status", [400, 403, 413, 422])
@pytest.mark.parametrize(
    "error", [{"code": "rate_limit_exceeded"}, {"type": "tokens"}, {"status": "RESOURCE_EXHAUSTED"}]
)
def test_a_word_for_a_rate_limit_counts_before_a_status_of_the_callers(status: int, error: dict[str, str]) -> None:
    assert kind_of(status, error) == "rate_limited"


@pytest.mark.parametrize(
    ("message", "never"),
    [
        ("on tokens per minute (TPM): Limit 6000, Requested 9170, please reduce your message size", True),
        ("on tokens per min (TPM): Limit 30,000, Requested 50,000. The input must be reduced", True),
        ("on tokens per min (TPM): Limit: 6000 / min. Requested: 9170", False),
        ("Rate limit reached on tokens per minute: Limit 6000, Used 5000, Requested 2000. Try again in 10s", False),
        ("Limit 6000, Requested 6000", False),
        ("no", False),
    ],
)
def test_a_request_larger_than_the_limit_itself_is_known(message: str, never: bool) -> None:
    assert exceeds_its_limit(message) is never


@pytest.mark.parametrize("message", [*RATE_LIMITS, *INNOCENT])
@pytest.mark.parametrize("status", [400, 429, 500])
def test_what_only_speaks_of_tokens_and_lengths_is_something_else(message: str, status: int) -> None:
    assert kind_of(status, {"message": message}, message) is None


@pytest.mark.parametrize("message", OVERFLOWS)
@pytest.mark.parametrize("status", [401, 429, 503, 529])
def test_a_status_that_leaves_no_doubt_counts_before_words(message: str, status: int) -> None:
    assert kind_of(status, {"message": message}, message) is None


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded", "message": "no"}, "context_overflow"),
        (400, {"type": "exceed_context_size_error", "code": 400, "n_ctx": 4096, "message": "no"}, "context_overflow"),
        (400, {"code": "content_filter", "message": "no"}, "content_refused"),
        (400, {"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}, "content_refused"),
        (403, {"code": 403, "message": "no", "metadata": {"reasons": ["violence"]}}, "content_refused"),
        (403, {"message": "Content violates usage guidelines."}, "content_refused"),
        (400, {"message": "Content Exists Risk"}, "content_refused"),
        (
            400,
            {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"},
            "content_refused",
        ),
        (404, {"type": "not_found_error", "message": "model: claude-nope"}, "model_not_found"),
        (404, {"code": "DeploymentNotFound", "message": "The API deployment ..."}, "model_not_found"),
        (404, {"message": "The model `x` does not exist or you do not have access to it."}, "model_not_found"),
        (400, {"message": "Invalid model: nope"}, "model_not_found"),
        (400, {"message": "nope/nope is not a valid model ID"}, "model_not_found"),
        (400, {"message": "Model Not Exist"}, "model_not_found"),
        (404, {"message": "model 'nope' not found, try pulling it first"}, "model_not_found"),
        (500, {"message": "The model `x` does not exist in this cache"}, None),
        (400, {"message": "The tool named model does not exist"}, None),
        (401, {"code": "invalid_api_key", "message": "no"}, None),
    ],
)
def test_codes_and_words_of_single_providers(status: int, error: dict[str, Any], kind: ErrorKind | None) -> None:
    assert kind_of(status, error, str(error.get("message", ""))) == kind


def test_the_words_of_the_provider_behind_a_router_count_too() -> None:
    assert kind_of(400, {}, "Provider returned error", "prompt is too long") == "context_overflow"
    assert kind_of(400, {}, "Provider returned error", "rate limited") is None


def test_a_text_that_is_quoted_far_behind_is_not_read() -> None:
    assert kind_of(400, {}, "Invalid input: " + "x" * 2000 + " prompt is too long") is None


@pytest.mark.parametrize(
    ("message", "param", "other"),
    [
        ("Previous response with id 'r' not found.", None, True),
        ("Not found.", "previous_response_id", True),
        ("File `file_1` not found", None, True),
        ("No such file object: file_1", None, True),
        ("Item with id 'rs_1' not found.", None, True),
        ("The model `x` does not exist.", "model", False),
        ("Not Found", None, False),
    ],
)
def test_a_404_may_be_about_something_else_that_the_request_names(message: str, param: str | None, other: bool) -> None:
    assert about_another_thing(message, param) is other

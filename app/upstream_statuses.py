"""What a provider's HTTP status means: the one table, asked by `errors`, by the backends, and by the documentation.

The provider's word for an error stands for a status where none came with it, as in the middle of a stream.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Fault = Literal["caller", "credentials", "provider"]
"""Who has to change something: whoever sent the request, the operator whose key or account it is, or the provider."""
ErrorKind = Literal["context_overflow", "content_refused", "model_not_found", "rate_limited"]
"""What an error is about, where its status does not say."""


class Meaning(NamedTuple):
    """What becomes of a request that a provider answered with this status."""

    fault: Fault
    """Whose fault it is. A caller's ends the request; after any other another deployment may be asked."""
    passed_on: bool
    """Whether the caller gets this status, which means the same to them. If not, their own fault is a 400, else 502."""
    retried: bool
    """Whether this deployment may be asked again: the fault may pass."""
    counted: bool
    """Whether the deployment's breaker counts it as a failure."""


_MEANINGS: Mapping[int, Meaning] = {
    400: Meaning("caller", passed_on=True, retried=False, counted=False),
    401: Meaning("credentials", passed_on=False, retried=False, counted=True),
    402: Meaning("credentials", passed_on=False, retried=False, counted=True),
    403: Meaning("credentials", passed_on=False, retried=False, counted=True),
    404: Meaning("caller", passed_on=True, retried=False, counted=False),
    406: Meaning("caller", passed_on=False, retried=False, counted=False),
    408: Meaning("provider", passed_on=True, retried=True, counted=True),
    # It answers promptly and says when to come back: no sign that it is unwell.
    409: Meaning("provider", passed_on=True, retried=True, counted=False),
    411: Meaning("caller", passed_on=False, retried=False, counted=False),
    413: Meaning("caller", passed_on=True, retried=False, counted=False),
    414: Meaning("caller", passed_on=False, retried=False, counted=False),
    415: Meaning("caller", passed_on=False, retried=False, counted=False),
    416: Meaning("caller", passed_on=False, retried=False, counted=False),
    417: Meaning("caller", passed_on=False, retried=False, counted=False),
    422: Meaning("caller", passed_on=True, retried=False, counted=False),
    424: Meaning("caller", passed_on=False, retried=False, counted=False),
    425: Meaning("provider", passed_on=False, retried=True, counted=True),
    # A full quota answers as promptly.
    429: Meaning("provider", passed_on=True, retried=True, counted=False),
    431: Meaning("caller", passed_on=False, retried=False, counted=False),
    451: Meaning("caller", passed_on=False, retried=False, counted=False),
    500: Meaning("provider", passed_on=True, retried=True, counted=True),
    503: Meaning("provider", passed_on=True, retried=True, counted=True),
    504: Meaning("provider", passed_on=True, retried=True, counted=True),
    529: Meaning("provider", passed_on=True, retried=True, counted=True),
}
LISTED = tuple(_MEANINGS)
"""The statuses that have a meaning of their own."""
_OTHER_4XX = Meaning("provider", passed_on=False, retried=False, counted=True)
_OTHER_5XX = Meaning("provider", passed_on=False, retried=True, counted=True)
"""Another 5xx, and an error without a status."""
WITHOUT_ROUTE = frozenset({405, 501})
"""Statuses that say of themselves that there is nothing at the address; 404 may speak of a model instead."""
NOT_FOUND = 404
"""A model that this deployment's provider does not have, unless the error says that it is about something else."""
RATE_LIMITED = 429
OVERLOADED = 529
"""Anthropic's."""

_KINDS: Mapping[str, ErrorKind] = {
    "context_length_exceeded": "context_overflow",  # OpenAI, Groq: platform.openai.com/docs/guides/error-codes
    "exceed_context_size_error": "context_overflow",  # llama.cpp: tools/server/README.md, "type" of the error
    "model_context_window_exceeded": "context_overflow",  # Anthropic's stop reason, Z.ai's code
    "contextwindowexceedederror": "context_overflow",  # LiteLLM: litellm/exceptions.py
    "tokens_too_long": "context_overflow",  # Baidu: cloud.baidu.com/doc/qianfan-api, "Error codes"
    "characters_too_long": "context_overflow",
    "content_filter": "content_refused",  # Azure: learn.microsoft.com, "Content filtering"; Moonshot
    "content_policy_violation": "content_refused",  # OpenAI's images; LiteLLM
    "contentpolicyviolationerror": "content_refused",  # LiteLLM: litellm/exceptions.py
    "responsibleaipolicyviolation": "content_refused",  # Azure's `innererror.code`
    "moderation_blocked": "content_refused",  # OpenAI: images
    "data_inspection_failed": "content_refused",  # Alibaba: help.aliyun.com, "Error codes"
    "datainspectionfailed": "content_refused",
    "model_not_found": "model_not_found",  # OpenAI, Groq
    "modelnotfound": "model_not_found",
    "model_not_available": "model_not_found",  # Together
    "deploymentnotfound": "model_not_found",  # Azure
    "unknown_model": "model_not_found",  # GitHub Models
    "invalid_model": "model_not_found",  # Mistral, Perplexity
}
"""A provider's word, in small letters, as code or type of an error -> what it is about."""
_STATUS_OF_KIND: Mapping[ErrorKind, int] = {
    "context_overflow": 400,
    "content_refused": 400,
    "model_not_found": NOT_FOUND,
    "rate_limited": RATE_LIMITED,
}
_BY_WORD = {
    "AccessDeniedException": 403,
    "AuthenticationError": 401,
    "BadRequestError": 400,
    "DEADLINE_EXCEEDED": 504,
    "FAILED_PRECONDITION": 400,
    "INTERNAL": 500,
    "INVALID_ARGUMENT": 400,
    "InternalServerError": 500,
    "InternalServerException": 500,
    "ModelErrorException": 500,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 500,
    "ModelTimeoutException": 504,
    "NOT_FOUND": 404,
    "NotFoundError": 404,
    "OUT_OF_RANGE": 400,
    "PERMISSION_DENIED": 403,
    "PermissionDeniedError": 403,
    "RESOURCE_EXHAUSTED": 429,
    "RateLimitError": 429,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 429,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UNAUTHENTICATED": 401,
    "UNAVAILABLE": 503,
    "UnprocessableEntityError": 422,
    "ValidationException": 400,
    "api_error": 500,
    "authentication_error": 401,
    "billing_error": 402,
    "engine_overloaded_error": 429,
    "exceeded_current_quota_error": 429,
    "insufficient_balance": 402,
    "insufficient_credits": 402,
    "insufficient_quota": 429,
    "internal_server_error": 500,
    "invalid_api_key": 401,
    "invalid_authentication_error": 401,
    "invalid_prompt": 400,
    "invalid_request": 400,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": OVERLOADED,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached_error": 429,
    "request_too_large": 413,
    "requests": 429,
    "server_error": 500,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "slow_down": 503,
    "string_above_max_length": 400,
    "timeout_error": 504,
    "tokens": 429,
    "unsupported_parameter": 400,
    "unsupported_value": 400,
    "usage_limit_reached": 429,
    "validation_error": 400,
}
_ABOUT_AN_IMAGE = re.compile(r"(^|_)image(_|$)")
"""OpenAI has a score of codes for what can be wrong with one."""


def meaning_of(status: int | None) -> Meaning:
    """The meaning of an HTTP status; None where the provider gave none."""
    if status is None:
        return _OTHER_5XX
    return _MEANINGS.get(status, _OTHER_4XX if status < 500 else _OTHER_5XX)


def status_of_words(words: Iterable[str]) -> int | None:
    """The status that the type, code or status of an error stands for, by its first word that is known."""
    words = tuple(words)
    if any(_ABOUT_AN_IMAGE.search(word) for word in words):
        return 400
    return next((status for word in words if (status := _status_of(word))), None)


def kind_of_word(word: str) -> ErrorKind | None:
    """What an error with this code or type is about, where the word says so."""
    return _KINDS.get(word.lower())


def _status_of(word: str) -> int | None:
    kind = kind_of_word(word)
    return _BY_WORD.get(word) if kind is None else _STATUS_OF_KIND[kind]

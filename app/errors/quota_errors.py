"""What a caller's key, or its team, may not ask for or spend: the limit that is in the way, and until when."""

from app.errors.base import GatewayError
from app.errors.client_errors import ClientError
from telemetry.names import Outcome, QuotaLimit, QuotaScope

_SOON = 61.0
"""Seconds within which it makes sense for a client to wait and ask again: what any limit by the minute takes."""


class ModelNotAllowed(ClientError):
    """The caller's key, or its team, may not ask for the model."""

    plain = "the key may not ask for the model"
    status = 403
    error_type = "model_not_allowed"


class LimitReached(GatewayError):
    """A limit of the caller's key or team is in the way; `scope`, `holder` and `limit` say which. `holder` is the name
    of the key or the team, as telemetry has it."""

    may_quote = False
    outcome: Outcome = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        scope: QuotaScope,
        holder: str,
        limit: QuotaLimit,
        retry_after: float | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after, param=param)
        self.scope: QuotaScope = scope
        self.holder = holder
        self.limit: QuotaLimit = limit
        self.retryable = retry_after is not None and retry_after <= _SOON


class RateLimited(LimitReached):
    """Too many requests or tokens within a minute, or too many requests at a time."""

    status = 429
    error_type = "rate_limited"


class BudgetSpent(LimitReached):
    """A budget is spent, or has not so much left as the request may cost."""

    status = 429
    error_type = "budget_spent"


class RequestTokensExceeded(LimitReached):
    """The request alone may come to more tokens than its caller may use for one: `prompt` and `most_answer` tokens,
    where `most` are allowed. A shorter conversation, or a shorter answer, may pass."""

    status = 400
    error_type = "request_tokens_exceeded"
    outcome: Outcome = "client_error"

    def __init__(
        self,
        message: str,
        *,
        scope: QuotaScope,
        holder: str,
        limit: QuotaLimit,
        prompt: int,
        most_answer: int,
        most: int,
    ) -> None:
        super().__init__(message, scope=scope, holder=holder, limit=limit)
        self.prompt = prompt
        self.most_answer = most_answer
        self.most = most


class RequestBytesExceeded(LimitReached):
    """The body has more bytes than its caller may send in one."""

    status = 413
    error_type = "request_too_large"
    outcome: Outcome = "client_error"

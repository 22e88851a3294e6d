"""Which leaf of `BackendError` a provider's failure becomes: what `direct` and `litellm` have in common. Pure.

Two questions: whose fault an HTTP error is (`error_for_status`, by `app.upstream_statuses` and `error_kinds`), and
whether it was this machine that failed (`local_failure_kind`).
"""

import errno
import re
import socket
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from app.backends.error_kinds import about_another_thing, exceeds_its_limit, meant_status
from app.errors import (
    AccountRejected,
    ContentRefused,
    ContextOverflow,
    ModelMissing,
    UpstreamFailed,
    UpstreamRejected,
)
from app.http_client import HttpError
from app.upstream_statuses import NOT_FOUND, RATE_LIMITED, ErrorKind, meaning_of
from telemetry.exceptions import chain_of
from telemetry.names import LocalFailureKind

MESSAGE_LIMIT = 2000
"""Characters of a provider's message that its caller reads."""
_LAST_STATUS = 599
_TOKEN = re.compile(r"[A-Za-z0-9][\w.\[\]-]{0,63}", re.ASCII)
_LOCAL_ERRORS: dict[int, LocalFailureKind] = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory",
    errno.EADDRNOTAVAIL: "network",
    errno.ENETDOWN: "network",
    errno.ENETUNREACH: "network",
}
_NO_NAME_SERVER = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM})
_ABOUT_THE_REQUEST: Mapping[ErrorKind, tuple[type[UpstreamRejected], str, str]] = {
    "context_overflow": (ContextOverflow, "context_length_exceeded", "The input is too long for the model."),
    "content_refused": (ContentRefused, "content_policy_violation", "The provider will not serve this input."),
}
"""What an error is about -> its class, the code where the provider has none, the message where it sent none."""


def error_for_status(
    status: int | None,
    message: str,
    *,
    detail: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    code: str | None = None,
    kind: ErrorKind | None = None,
    names_account: bool = False,
) -> UpstreamFailed:
    """The error for a provider's response with an error; `status` is None where none is known. `message` is the
    provider's, if it has one; where it is about the gateway's credentials none of it is passed on. `kind`: what the
    error itself says that it is about, which counts before its status; `names_account`: the client's own headers named
    an account."""
    if kind is not None and (known := _ABOUT_THE_REQUEST.get(kind)):
        rejected, word, words = known
        code = word if kind == "context_overflow" else code or word
        return rejected(message or words, upstream_status=status, detail=detail, param=param, code=code)
    if status is not None and meant_status(status, kind) == RATE_LIMITED:
        return _rate_limited(status, message, detail, retry_after, code)
    fault = meaning_of(status).fault
    if kind == "model_not_found" or (status == NOT_FOUND and not about_another_thing(message, param)):
        message = message or "The provider has no such model."
        code = "model_not_found"
        return ModelMissing(
            message, upstream_status=status, detail=detail, param=param, retry_after=retry_after, code=code
        )
    if status is not None and fault == "credentials":
        return _account_rejected(status, detail, code) if names_account else _credentials_refused(status, detail)
    error = UpstreamRejected if fault == "caller" else UpstreamFailed
    message = message or f"The provider answered with status {status}."
    return error(message, upstream_status=status, detail=detail, param=param, retry_after=retry_after, code=code)


def _rate_limited(
    status: int | None, message: str, detail: str | None, retry_after: float | None, code: str | None
) -> UpstreamFailed:
    """A request that is larger than the limit itself is not sent there again; another deployment may have room."""
    error = UpstreamFailed(
        message or f"The provider answered with status {status}.",
        upstream_status=status,
        detail=detail,
        retry_after=retry_after,
        code=code,
        meant_status=RATE_LIMITED,
    )
    error.retryable = error.retryable and not exceeds_its_limit(message)
    return error


def _credentials_refused(status: int, detail: str | None) -> UpstreamFailed:
    message = f"The provider refused the gateway's credentials or account (status {status})."
    return UpstreamFailed(message, upstream_status=status, detail=detail)


def _account_rejected(status: int, detail: str | None, code: str | None) -> AccountRejected:
    message = f"The provider refused the organization or project that the request's headers name (status {status})."
    return AccountRejected(message, upstream_status=status, detail=detail, code=code)


def is_for_clients(error: UpstreamFailed) -> bool:
    """Whether a client may read the provider's own body: none that is about the gateway's key, and none that tells of a
    wrong address rather than of the request."""
    if error.outcome == "client_error" and not isinstance(error, AccountRejected):
        return True
    meaning = meaning_of(error.meant_status)
    return meaning.fault == "provider" and (meaning.passed_on or meaning.retried)


def status_for_clients(error: UpstreamFailed) -> int | None:
    """The provider's status, for those who read its body; None where it would make them do the wrong thing, and where
    HTTP has no such status."""
    status = error.upstream_status
    if status is not None and status > _LAST_STATUS:
        return None
    if status is not None and isinstance(error, UpstreamRejected) and (status >= 500 or meaning_of(status).retried):
        return None
    return status


def error_labels(error: Mapping[str, Any], scrub: Callable[[str], str]) -> str:
    """A provider's error as it may stand in a span: its type, its code and the field it is about, if they are single
    words. Its message may quote a prompt, and is left out."""
    found = ((name, error.get(name)) for name in ("type", "status", "code", "param"))
    labels = [
        f"{name} {value}" for name, value in found if isinstance(value, int | str) and _TOKEN.fullmatch(str(value))
    ]
    return scrub(", ".join(labels))


def connection_error(error: BaseException) -> str:
    """How a connection was lost, as it may stand in a span. HTTP libraries quote the bytes that they could not read, so
    only the messages of the system and of the gateway's own client are shown, and the types of the errors behind them.
    """
    return " <- ".join(
        f"{type(link).__qualname__}: {link}"[:300] if isinstance(link, OSError | HttpError) else type(link).__qualname__
        for link in islice(chain_of(error), 3)
    )


def local_failure_kind(error: BaseException) -> LocalFailureKind | None:
    """What this machine lacked, by the error or one behind it; None if it was not this machine that failed.

    A name that does not exist, or a host that refuses, is the deployment's fault; a name server that does not answer,
    or a process without a descriptor left, says nothing of any deployment.
    """
    return next((kind for link in chain_of(error) if (kind := _local_kind(link)) is not None), None)


def _local_kind(error: BaseException) -> LocalFailureKind | None:
    match error:
        case MemoryError():
            return "memory"
        case socket.gaierror():
            return "names" if error.errno in _NO_NAME_SERVER else None
        case OSError():
            return _LOCAL_ERRORS.get(error.errno or 0)
        case _:
            return None

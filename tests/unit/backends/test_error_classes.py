"""Whose fault a failure is, when to come back, and what is this machine's own, however it is wrapped."""

import errno
import socket
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from app.backends.direct.errors import connection_lost, reported_error, status_error
from app.backends.error_classes import local_failure_kind
from app.backends.retry_waits import retry_after
from app.dialects.errors import LONGEST_WAIT, advice
from app.errors import (
    AccountRejected,
    BackendError,
    LocalFailure,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.http_client import BodyIncomplete, InvalidAddress, InvalidHeader, MalformedResponse, UndecodableBody
from app.http_client.errors import ConnectionLost

NOW = 1_700_000_000.0
KEY = ConnectionKey("provider.example", 443, True, True, None, None, None)
FLAGGED = {"code": 403, "message": "Input was flagged", "metadata": {"reasons": ["violence"], "flagged_input": "..."}}


def answered(status: int, error: dict[str, Any], names_account: bool = False) -> UpstreamFailed:
    body = msgspec.json.encode({"error": error})
    found = status_error(status, body, {}, str, names_account=names_account)
    assert isinstance(found, UpstreamFailed)
    return found


@pytest.mark.parametrize("status", [400, 406, 411, 413, 414, 415, 416, 417, 422, 424, 431, 451])
def test_what_is_wrong_with_the_request_says_nothing_of_the_deployment(status: int) -> None:
    error = answered(status, {"message": "no"})
    assert isinstance(error, UpstreamRejected)
    assert error.outcome == "client_error"
    assert 400 <= error.status < 500
    assert not error.counts_against_deployment


@pytest.mark.parametrize(
    "error",
    [
        {"code": 400, "message": "too long"},
        {"code": "context_length_exceeded", "message": "too long"},
        {"type": "invalid_request_error", "message": "too long"},
        {"code": "invalid_prompt", "message": "no"},
        {"code": "invalid_image", "message": "no"},
        {"code": "image_too_large", "message": "no"},
        {"code": "failed_to_download_image", "message": "no"},
        {"code": "unsupported_value", "message": "no"},
        {"status": "INVALID_ARGUMENT", "message": "no"},
        {"type": "BadRequestError", "message": "no"},
        {"code": "content_filter", "message": "no"},
        FLAGGED,
    ],
)
def test_a_callers_fault_within_a_200_is_a_callers_fault(error: dict[str, Any]) -> None:
    found = reported_error({"error": error}, str)
    assert isinstance(found, UpstreamRejected)
    assert (found.status, found.outcome) == (400, "client_error")
    assert not found.counts_against_deployment


@pytest.mark.parametrize(
    "error",
    [
        {"code": 500, "message": "no"},
        {"type": "overloaded_error", "message": "no"},
        {"code": "server_error", "message": "no"},
        {"message": "no"},
        {"type": "authentication_error", "message": "no"},
    ],
)
def test_a_providers_fault_within_a_200_counts(error: dict[str, Any]) -> None:
    found = reported_error({"error": error}, str)
    assert not isinstance(found, UpstreamRejected)
    assert found.counts_against_deployment


def test_a_403_about_the_input_is_passed_on_and_counts_for_nothing() -> None:
    error = answered(403, FLAGGED)
    assert isinstance(error, UpstreamRejected)
    assert error.message == "Input was flagged"
    assert error.status == 400
    assert answered(403, {"message": "no"}).counts_against_deployment


@pytest.mark.parametrize("status", [401, 402, 403])
def test_an_account_that_the_clients_headers_name_is_the_clients_fault(status: int) -> None:
    reported = {"message": "OpenAI-Organization: key sk-...abcd", "code": "mismatched_organization"}
    error = answered(status, reported, names_account=True)
    assert isinstance(error, AccountRejected)
    assert (error.status, error.outcome, error.retryable, error.code) == (
        400,
        "client_error",
        False,
        "mismatched_organization",
    )
    assert "abcd" not in error.message
    assert not error.counts_against_deployment
    assert answered(status, reported).counts_against_deployment


def test_what_this_machine_lacks_is_not_a_lost_connection() -> None:
    error = connection_lost(OSError(24, "Too many open files"), str)
    assert isinstance(error, LocalFailure)
    assert (error.kind, error.status, error.retryable) == ("descriptors", 503, True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        (" 1.5 ", 1.5),
        ("86401", LONGEST_WAIT),
        ("999999999999999", LONGEST_WAIT),
        ("1e308", None),
        ("9" * 400, None),
        ("inf", None),
        ("Infinity", None),
        ("nan", None),
        ("-5", None),
        ("1_0", None),
        ("\u0661", None),
        ("", None),
        ("soon", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT" + " " * 60_000 + "x", None),
    ],
)
def test_seconds_and_dates_are_bounded(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, lambda: NOW) == seconds


def test_milliseconds_count_first_where_they_make_sense() -> None:
    assert retry_after({"retry-after-ms": "1500", "retry-after": "7"}) == 1.5
    assert retry_after({"retry-after-ms": "nan", "retry-after": "7"}) == 7


@given(st.text(max_size=100))
def test_nothing_that_it_says_is_beyond_bounds(text: str) -> None:
    seconds = retry_after({"retry-after": text}, lambda: NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("seconds", "advised"),
    [(1e308, "86400"), (-3.0, "0"), (1.2, "2"), (float("nan"), None), (float("inf"), None)],
)
def test_callers_read_a_bounded_number(seconds: float, advised: str | None) -> None:
    """Whoever raised the error: a policy may, too."""
    error = UpstreamFailed("later", upstream_status=429, retry_after=seconds)
    assert advice(error, 429).get("retry-after") == advised


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "descriptors"),
        (OSError(errno.ENFILE, "Too many open files in system"), "descriptors"),
        (OSError(errno.ENOBUFS, "No buffer space available"), "memory"),
        (MemoryError(), "memory"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "network"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "names"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), None),
        (OSError(errno.ECONNREFUSED, "Connection refused"), None),
        (OSError(errno.EHOSTUNREACH, "No route to host"), None),
        (ConnectionResetError(errno.ECONNRESET, "reset"), None),
        (ValueError("24"), None),
        (OSError("without a number"), None),
    ],
)
def test_an_error_is_known_bare_and_wrapped(error: BaseException, kind: str | None) -> None:
    assert local_failure_kind(error) == kind
    assert local_failure_kind(_caused_by(error)) == kind
    if isinstance(error, OSError):
        assert local_failure_kind(aiohttp.ClientConnectorError(KEY, error)) == kind


@pytest.mark.parametrize(
    ("error", "begun", "kind", "message"),
    [
        (InvalidAddress("no URL"), False, UpstreamFailed, "The gateway's address of this model is not valid."),
        (InvalidHeader("a line's end"), False, UpstreamFailed, "The gateway's headers for this model are not valid."),
        (MalformedResponse("Expected HTTP/"), False, UpstreamFailed, "The provider's answer is not HTTP."),
        (UndecodableBody("no gzip"), True, UpstreamFailed, "The provider's answer is not what its encoding says."),
        (BodyIncomplete("closed"), True, UpstreamTruncated, "The provider's answer stopped before its end."),
        (ConnectionResetError(104, "reset"), True, UpstreamTruncated, "The provider's answer stopped before its end."),
        (ConnectionLost("closed"), False, UpstreamUnreachable, "The provider could not be reached."),
        (TimeoutError(), False, UpstreamTimeout, "The provider could not be reached in time."),
    ],
)
def test_a_lost_connection_says_what_was_lost(
    error: Exception, begun: bool, kind: type[BackendError], message: str
) -> None:
    found = connection_lost(error, str, begun)
    assert type(found) is kind
    assert str(found) == message
    assert str(found.detail).startswith(type(error).__name__)
    assert str(error) in str(found.detail)


def test_a_cycle_of_errors_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert local_failure_kind(first) is None


def _caused_by(error: BaseException) -> BaseException:
    try:
        raise RuntimeError("wrapped") from error
    except RuntimeError as wrapped:
        return wrapped

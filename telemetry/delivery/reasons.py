"""Why a batch did not arrive, in words for an operator. Pure.

What a receiver says is not repeated: it may be anything."""

import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.client import BadStatusLine, RemoteDisconnected

from requests import exceptions as failures

_HINTS = {
    401: "OTEL_EXPORTER_OTLP_HEADERS",
    403: "OTEL_EXPORTER_OTLP_HEADERS",
    404: "the path of OTEL_EXPORTER_OTLP_ENDPOINT",
    405: "the path of OTEL_EXPORTER_OTLP_ENDPOINT",
    413: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE and OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    415: "OTEL_EXPORTER_OTLP_PROTOCOL",
}
"""What to look at for a status."""
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_NOT_HTTP = "it does not speak HTTP/1.1; is it a port for gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc)?"
_CLOSED = (
    "it closed the connection without an answer; "
    "is it a port for gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc), or for TLS (https)?"
)
_NOT_TLS = "it does not speak TLS; is its address one of http instead of https?"
_NO_ADDRESS = "its name has no address"
_REFUSED = "the connection is refused; nothing listens there"
_LATE = "there was no answer in time"


def reason_of_status(status: int) -> str:
    """For an HTTP status other than success."""
    phrase = _PHRASES.get(status, "unknown")
    hint = f"; check {_HINTS[status]}" if status in _HINTS else ""
    if 300 <= status < 400:
        hint = "; it is not followed"
    return f"HTTP status {status} ({phrase}){hint}"


def reason_of_error(error: BaseException) -> str:
    """For an error of the HTTP client, by the most telling one among its causes."""
    causes = list(_causes(error))
    for one in causes:
        if found := _reason(one):
            return found
    return type(causes[-1]).__name__


def _reason(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return _NOT_TLS if error.reason == "WRONG_VERSION_NUMBER" else f"TLS failed: {error.reason or 'unknown'}"
        case socket.gaierror():
            return _NO_ADDRESS
        case ConnectionRefusedError():
            return _REFUSED
        case RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return _CLOSED
        case BadStatusLine():
            return _NOT_HTTP
        case TimeoutError() | failures.Timeout():
            return _LATE
        case failures.RequestException():
            return ""
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return ""


def reason_of_grpc(code: str, details: str) -> str:
    """For a status of gRPC, whose details the gateway's own library wrote where no connection came about."""
    details = details.lower()
    if code == "UNAVAILABLE":
        for sign, reason in _UNAVAILABLE:
            if sign in details:
                return reason
    if code == "DEADLINE_EXCEEDED":
        return _LATE
    hint = "; check OTEL_EXPORTER_OTLP_HEADERS" if code in ("UNAUTHENTICATED", "PERMISSION_DENIED") else ""
    return f"gRPC status {code}{hint}"


_UNAVAILABLE = (
    ("connection refused", _REFUSED),
    ("dns resolution", _NO_ADDRESS),
    ("name resolution", _NO_ADDRESS),
    ("domain name not found", _NO_ADDRESS),
    ("certificate_verify_failed", "its certificate is not accepted"),
    ("ssl", "TLS failed; is its address one of http instead of https?"),
    ("handshake", "TLS failed; is its address one of http instead of https?"),
    ("trying to connect an http1.x server", "it speaks HTTP/1.1; is OTEL_EXPORTER_OTLP_PROTOCOL to be http/protobuf?"),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was made of, each once."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            yield one
            waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]

"""OTLP over HTTP. Apart, because its import takes a tenth of a second."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests.utils import get_netrc_auth

from telemetry.delivery.json_encoding import as_json
from telemetry.delivery.reasons import reason_of_error, reason_of_status
from telemetry.delivery.rejections import Rejection
from telemetry.delivery.retries import Retries
from telemetry.environment import OtlpTarget
from telemetry.names.resource import VERSION

_TRANSIENT = frozenset({408, 429, 502, 503, 504})
_PROTOBUF = "application/x-protobuf"
_RESPONSE_LIMIT = 64 * 1024
"""Bytes of a response that are read: there is a count of rejected items in it, and nothing else of interest."""


class HttpDelivery:
    """Sends to `target`; `kind` is the message that the bodies are. Proxies are those of the environment, as it is
    now."""

    def __init__(self, target: OtlpTarget, kind: type[Message]) -> None:
        self.name = target.address
        self._endpoint = target.endpoint
        self._kind = kind
        self._is_json = target.protocol == "http/json"
        self._compress = _COMPRESSION[target.compression]
        self._retries = Retries(target.timeout)
        self._session = session = requests.Session()
        files = target.client_certificate, target.client_key
        client_files = files if target.client_key else target.client_certificate or None
        # The environment (proxies, REQUESTS_CA_BUNDLE, .netrc) is read once: a session would read it for each request,
        # with thousands of calls.
        self._settings = session.merge_environment_settings(
            self._endpoint, {}, True, target.certificate or True, client_files
        )
        self._auth = get_netrc_auth(self._endpoint)
        session.trust_env = False
        headers = {
            "content-type": "application/json" if self._is_json else _PROTOBUF,
            "user-agent": f"flowspan/{VERSION}",
        }
        if target.compression != "none":
            headers["content-encoding"] = target.compression
        self._session.headers = headers | target.headers  # type: ignore[assignment]

    def send(self, body: bytes) -> Rejection | None:
        encoded = self._compress(as_json(self._kind, body) if self._is_json else body)
        return self._retries.run(lambda left: self._post(encoded, left))

    def close(self) -> None:
        self._retries.cancel()
        self._session.close()

    def _post(self, body: bytes, timeout: float) -> Rejection | None:
        try:
            with self._session.post(
                self._endpoint,
                data=body,
                auth=self._auth,
                timeout=timeout,
                allow_redirects=False,
                **self._settings,
            ) as response:
                content = response.raw.read(_RESPONSE_LIMIT, decode_content=True)
        except Exception as error:
            return Rejection(reason_of_error(error), is_transient=isinstance(error, _CONNECTION_ERRORS))
        status = response.status_code
        if 200 <= status < 300:
            return partial_rejection(content) if _PROTOBUF in response.headers.get("content-type", "") else None
        wait = _retry_after(response.headers)
        return Rejection(reason_of_status(status), is_transient=status in _TRANSIENT, retry_after=wait)


_CONNECTION_ERRORS = (requests.ConnectionError, requests.Timeout)
_COMPRESSION: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda body: body,
    "gzip": lambda body: gzip.compress(body, 6),
    "deflate": zlib.compress,
}


def partial_rejection(response: bytes) -> Rejection | None:
    """What a receiver that answered well says it did not take. The responses of all signals have the same fields."""
    try:
        count = ExportTraceServiceResponse.FromString(response).partial_success.rejected_spans
    except DecodeError:
        return None
    return Rejection(f"it rejected {count} items of a batch", count) if count > 0 else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, of a number or a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()) if text else None
    except (TypeError, ValueError):
        return None

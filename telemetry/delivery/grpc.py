"""OTLP over gRPC, by the package `grpcio`, which is an extra: `pip install 'flowspan[grpc]'`.

Apart, for its import takes a tenth of a second, and it may not be there."""

from pathlib import Path

import grpc

from telemetry.delivery.http import partial_rejection
from telemetry.delivery.reasons import reason_of_grpc
from telemetry.delivery.rejections import Rejection
from telemetry.delivery.retries import Retries
from telemetry.environment import OtlpTarget
from telemetry.names.resource import VERSION

_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_TRANSIENT = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "RESOURCE_EXHAUSTED"}
)
"""The codes that OTLP calls retryable."""


class GrpcDelivery:
    """Sends to `target`. The bodies are encoded already, so the channel passes bytes."""

    def __init__(self, target: OtlpTarget) -> None:
        self.name = target.address
        self._retries = Retries(target.timeout)
        self._headers = tuple(target.headers.items())
        options = (("grpc.primary_user_agent", f"flowspan/{VERSION}"),)
        compression = grpc.Compression.Gzip if target.compression == "gzip" else grpc.Compression.NoCompression
        if target.tls:
            credentials = _credentials(target)
            self._channel = grpc.secure_channel(target.endpoint, credentials, options, compression)
        else:
            self._channel = grpc.insecure_channel(target.endpoint, options, compression)
        self._export = self._channel.unary_unary(_METHODS[target.signal])

    def send(self, body: bytes) -> Rejection | None:
        return self._retries.run(lambda left: self._call(body, left))

    def close(self) -> None:
        self._retries.cancel()
        self._channel.close()

    def _call(self, body: bytes, timeout: float) -> Rejection | None:
        try:
            return partial_rejection(self._export(body, timeout=timeout, metadata=self._headers))
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            return Rejection(reason_of_grpc(code, details), is_transient=code in _TRANSIENT)
        except ValueError:
            return Rejection("the connection was closed")


def _credentials(target: OtlpTarget) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        _content(target.certificate),
        _content(target.client_key or target.client_certificate),
        _content(target.client_certificate),
    )


def _content(file: str) -> bytes | None:
    return Path(file).read_bytes() if file else None

"""Exports on stdout: each batch is a line of OTLP/JSON, as the file exporter of OpenTelemetry writes it."""

import sys
from typing import TextIO

from google.protobuf.message import Message

from telemetry.delivery.json_encoding import as_json
from telemetry.delivery.rejections import Rejection


class ConsoleDelivery:
    name = "stdout"

    def __init__(self, kind: type[Message], stream: TextIO | None = None) -> None:
        self._kind = kind
        self._stream = stream or sys.stdout

    def send(self, body: bytes) -> Rejection | None:
        try:
            self._stream.write(as_json(self._kind, body).decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            return Rejection(f"it cannot be written to ({type(error).__name__})")
        return None

    def close(self) -> None:
        """Nothing of it has to be given up."""

"""A JSON text through the redactor in one piece."""

from app.policies.builtin.redact.json_redactor import JsonRedactor
from app.policies.builtin.redact.stream_redactor import Detector, StreamRedactor


def redact_json(text: str, detector: Detector) -> str:
    redactor = JsonRedactor(detector)
    return redactor.feed(text) + redactor.flush()


class CountsHeld:
    """Feeds a redactor, and counts the characters that it holds back."""

    def __init__(self, redactor: StreamRedactor) -> None:
        self._redactor = redactor
        self.held = 0

    def feed(self, text: str) -> str:
        pieces = self._redactor.pieces(text)
        self.held += len(text) - sum(len(piece.original) for piece in pieces)
        return "".join(piece.text for piece in pieces)

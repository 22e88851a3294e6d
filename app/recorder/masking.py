"""The bodies of one transaction as they may be kept: without keys, and without what policies took out."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.messages import Request
from app.recorder.concealing import answer_spans, masked, masked_answer, masked_request, masked_secrets
from app.recorder.json_texts import decoded
from app.recorder.recording import Piece
from app.recorder.secrets import SecretMask, secret_forms
from telemetry import Tape

_SECRET_FIELDS = (b'uthorization"', b'_token"', b'"headers"', b'"domain_secrets"', b'"remove_to_redeem"')
"""What stands in a body that may have fields for secrets."""
_FEW_MARKS = 64
"""Bytes for each quotation mark from which on it is the faster way to look at what stands before those."""
TimedBytes = Sequence[tuple[float, bytes]]


class Concealing(NamedTuple):
    """The names of the policies that take out what is not to be kept: of requests, and of answers."""

    requests: frozenset[str] = frozenset()
    responses: frozenset[str] = frozenset()


class Masking:
    """Masks the bodies of the transaction on `tape`. `credentials` came with its request."""

    def __init__(self, tape: Tape, mask: SecretMask, credentials: Iterable[str], concealing: Concealing) -> None:
        self.concealed: set[str] = set()
        """The policies that took out what was masked so far, or may have."""
        self._tape = tape
        self._opened_at = tape.opened_at
        self._mask = mask
        self.credentials = secret_forms(credentials)
        self._concealing = concealing
        self._seen = self._kept = b""
        self._delivered = b"".join([data for _, data in tape.answer.pieces]) if concealing.responses else b""
        aside = {(one.policy, one.hook == "on_request") for one in tape.decisions if one.decision == "failed_open"}
        self.is_request_unread = any((name, True) in aside for name in concealing.requests)
        """Whether a policy let the request pass without having read it."""
        self._is_answer_unread = any((name, False) in aside for name in concealing.responses)

    def text(self, text: str) -> str:
        """A header's value, or words of a provider."""
        raw = text.encode("utf-8", "surrogatepass")
        kept = self._mask(raw, self.credentials)
        return text if kept is raw else kept.decode("utf-8", "replace")

    def request(self) -> bytes:
        """The request as it came."""
        tape, requests = self._tape, self._concealing.requests
        data = tape.request
        if not requests or not data:
            return self._without_secrets(data)
        if self.is_request_unread or not tape.is_permitted:
            self.concealed |= requests
            return self._mask(masked(data), self.credentials)
        if by := requests.intersection(tape.changed_by):
            self.concealed |= by
            data = masked_request(data, self._permitted_texts())
        return self._without_secrets(data)

    def attempt_request(self, data: bytes) -> bytes:
        """A request to a provider, as the policies left it."""
        return self._without_secrets(masked(data) if self.is_request_unread else data)

    def attempt_answer(self, pieces: TimedBytes) -> tuple[Piece, ...]:
        """What came of a provider, before any policy."""
        return self._pieces(pieces, is_delivered=False)

    def answer(self) -> tuple[Piece, ...]:
        """What was written to the client, behind all policies."""
        return self._pieces(tuple(self._tape.answer.pieces), is_delivered=True)

    def _pieces(self, pieces: TimedBytes, *, is_delivered: bool) -> tuple[Piece, ...]:
        whole = pieces[0][1] if len(pieces) == 1 else b"".join([data for _, data in pieces])
        kept = self._mask(self._without_concealed(whole, is_delivered=is_delivered), self.credentials)
        if kept is whole:
            return tuple([Piece(at - self._opened_at, data) for at, data in pieces])
        found: list[Piece] = []
        begin = 0
        for at, data in pieces:
            found.append(Piece(at - self._opened_at, kept[begin : begin + len(data)]))
            begin += len(data)
        return tuple(found)

    def _without_concealed(self, whole: bytes, *, is_delivered: bool) -> bytes:
        if not self._concealing.responses or not whole:
            return whole
        if self._is_answer_unread:
            kept = masked(whole)
        else:
            kept = whole if is_delivered else masked_answer(whole, self._delivered)
        if kept is not whole:
            self.concealed |= self._concealing.responses
        return kept

    def _without_secrets(self, data: bytes) -> bytes:
        # A provider often gets the very bytes that the client sent.
        if data != self._seen:
            self._seen = data
            self._kept = self._mask(masked_secrets(data) if _may_have_secrets(data) else data, self.credentials)
        return self._kept

    def _permitted_texts(self) -> list[str]:
        """All texts of the request as the policies left it, as providers got it and in its common form, in order."""
        texts: list[str] = []
        for attempt in self._tape.attempts:
            texts += [decoded(attempt.request, span) for span in answer_spans(attempt.request)]

        def collect(text: str) -> str:
            texts.append(text)
            return text

        if isinstance(self._tape.permitted, Request):
            self._tape.permitted.map_text(collect)
        return texts


def _may_have_secrets(data: bytes) -> bool:
    """Whether there are names in a body of fields for secrets."""
    if data.count(b'"') * _FEW_MARKS > len(data):
        return any(map(data.__contains__, _SECRET_FIELDS))
    at = data.find(b'"')
    while at >= 0 and not data.endswith(_SECRET_FIELDS, 0, at + 1):
        at = data.find(b'"', at + 1)
    return at >= 0

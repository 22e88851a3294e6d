"""From the tape of a transaction that has ended to its recording. Pure, and done by the thread that writes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, format_span_id
from opentelemetry.trace.status import StatusCode

from app.recorder.chunk_events import chunk_events
from app.recorder.closing import closed_by, closed_by_of_attempt
from app.recorder.masking import Concealing, Masking
from app.recorder.recording import (
    NO_CHANGE,
    Body,
    Entry,
    Intervention,
    Moment,
    Party,
    Piece,
    QueueFigures,
    RecordedAttempt,
    RecordedSpan,
    Recording,
    TokenCounts,
)
from app.recorder.secrets import Scrub, SecretMask, clean_attributes, credentials_in, permitted_headers, raw_headers
from app.recorder.titles import title_of
from telemetry import AttemptTape, QueueStats, Tape, TapedTransaction, Tokens
from telemetry.names import NO_KEY
from telemetry.redact import TEXT_LIMIT, clean
from telemetry.traces import spans
from telemetry.transaction.ending import Summary

_REMEMBERED = 8
_CALLERS = 64
"""Callers for each of whom texts without secrets are remembered."""
_KINDS: Mapping[SpanKind, Literal["server", "client", "internal"]] = {
    SpanKind.SERVER: "server",
    SpanKind.CLIENT: "client",
}


class _RequestsUnderWay:
    """Remembers the last requests that somebody looked at: one of some megabytes takes seconds to be masked, and is
    looked at each second."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Body]] = {}

    def of(self, taped: TapedTransaction, masking: Masking, headers: Sequence[tuple[str, str]]) -> Body:
        tape = taped.tape
        # All that its masks are made by.
        state = (len(tape.request), tape.is_permitted, len(tape.attempts), masking.is_request_unread)
        before, body = self._known.pop(taped.transaction_id, (None, Body()))
        if before != state:
            body = Body(permitted_headers(headers, taped.scrub), masking.request(), tape.request_size)
        self._known[taped.transaction_id] = state, body
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)), None)
        return body


class Taking:
    """Makes recordings of transactions. `secrets` are the configured ones, `gateway` tells which gateway recorded."""

    def __init__(self, secrets: Iterable[str], concealing: Concealing, gateway: str) -> None:
        self._mask = SecretMask(secrets)
        self._concealing = concealing
        self._gateway = gateway
        self._requests = _RequestsUnderWay()
        self._known: dict[int, set[str]] = {}
        """Texts without secrets, by the credentials that were looked for in them besides the configured ones."""

    def recording(self, taped: TapedTransaction, summary: Summary) -> Recording:
        tape = taped.tape
        request_headers = raw_headers(tape.request_headers)
        masking = Masking(tape, self._mask, credentials_in(request_headers), self._concealing)
        # What came with this request may look like no key, and stand in what others say of it.
        scrub = Scrub(lambda text: masking.text(taped.scrub(text)), self._known_with(masking.credentials))
        request = Body(permitted_headers(request_headers, scrub), masking.request(), tape.request_size)
        ended_by = closed_by(summary.outcome, summary.error_type)
        attempts = tuple([_attempt(one, tape.opened_at, masking, scrub, ended_by) for one in tape.attempts])
        answer = masking.answer()
        asked = attempts[0].request.data if tape.is_changed and attempts else b""
        recorder = summary.recorder
        return Recording(
            gateway=self._gateway,
            entry=_entry(taped, summary, title_of(asked or request.data)),
            detail=None if summary.detail is None else clean(scrub, summary.detail, TEXT_LIMIT),
            delivered=summary.delivered,
            closed_by=ended_by,
            client_address=_text(summary.about.head.get("client_address")),
            user_agent=_text(summary.about.head.get("user_agent")),
            time=dict(summary.parts),
            request=request,
            request_changed=tape.is_changed,
            concealed=tuple(sorted(masking.concealed)),
            attempts=attempts,
            response_headers=permitted_headers(raw_headers(tape.response_headers), scrub),
            answer=answer,
            answer_size=tape.answer.size,
            chunks_in=recorder.chunks_in,
            chunks_out=recorder.chunks_out,
            interventions=_interventions(tape, scrub),
            queues=tuple([_queue(stats) for stats in tape.queues]),
            moments=_moments(tape, scrub),
            spans=_spans(tape, summary.total_s, scrub),
            access=taped.access_fields(),
        )

    def _known_with(self, credentials: tuple[bytes, ...]) -> set[str]:
        # The credentials themselves are not kept.
        known = self._known.setdefault(hash(credentials), set())
        while len(self._known) > _CALLERS:
            self._known.pop(next(iter(self._known)), None)
        return known

    def under_way(self, taped: TapedTransaction) -> tuple[Body, tuple[Piece, ...]]:
        """The request, and what was written to the client so far, of a transaction that has not ended."""
        tape = taped.tape
        headers = raw_headers(tape.request_headers)
        masking = Masking(tape, self._mask, credentials_in(headers), self._concealing)
        return self._requests.of(taped, masking, headers), masking.answer()


def _entry(taped: TapedTransaction, summary: Summary, title: str) -> Entry:
    about, totals, tape = summary.about, summary.totals, taped.tape
    ids = {} if about.identity is None else about.identity.log_fields
    key = about.key.identity
    miss = (taped.cache_fields or {}).get("cache_miss")
    return Entry(
        transaction_id=taped.transaction_id,
        trace_id=taped.trace_id,
        started_at=tape.started_ns / 1e9,
        duration_s=summary.total_s,
        api=about.api,
        operation=about.operation,
        method=tape.method,
        path=tape.path,
        model=about.model,
        provider=about.provider,
        deployment=totals.deployment,
        stream=about.stream,
        outcome=summary.outcome,
        status=summary.status,
        error_type=summary.error_type or None,
        key=None if key.name == NO_KEY else key.name,
        team=key.team,
        conversation=_text(ids.get("conversation")),
        agent=_text(ids.get("agent")),
        parent_agent=_text(ids.get("parent_agent")),
        user=_text(ids.get("user")),
        ttft_s=summary.recorder.ttft_s,
        attempts=totals.attempts,
        tokens=_tokens(totals.tokens),
        cost_usd=totals.cost_usd,
        intervened=tape.is_changed or any(one.decision not in NO_CHANGE for one in tape.decisions),
        cache_miss=_text(miss),
        pinned=taped.pinned,
        title=title,
    )


def _attempt(
    tape: AttemptTape, opened_at: float, masking: Masking, scrub: Scrub, ended_by: Party | None
) -> RecordedAttempt:
    if tape.method:
        answer, size = tuple(tape.answer.pieces), tape.answer.size
    else:
        answer, size = chunk_events(tape), tape.chunks_size
    headers = permitted_headers(tape.request_headers.items(), scrub)
    return RecordedAttempt(
        deployment=tape.deployment,
        provider=tape.provider,
        model=tape.model,
        why=tape.why,
        began=tape.began - opened_at,
        ended=tape.ended - opened_at,
        method=tape.method or "POST",
        url=_address(tape.url),
        request=Body(headers, masking.attempt_request(tape.request), tape.request_size),
        status=tape.status,
        api=tape.api or ("openai_chat" if tape.chunks else ""),
        response_headers=permitted_headers(raw_headers(tape.response_headers), scrub),
        answer=masking.attempt_answer(answer),
        answer_size=size,
        request_id=None if tape.request_id is None else scrub(tape.request_id),
        error_type=tape.error_type or None,
        detail=clean(scrub, tape.detail, TEXT_LIMIT) if tape.detail else None,
        closed_by=closed_by_of_attempt(tape, ended_by),
        tokens=_tokens(tape.tokens),
        cost_usd=tape.cost_usd,
    )


@lru_cache(256)
def _address(url: str) -> str:
    """An address without query, user and password."""
    try:
        parts = urlsplit(url)
        return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return ""


def _tokens(tokens: Tokens | None) -> TokenCounts | None:
    if tokens is None:
        return None
    return TokenCounts(
        tokens.input, tokens.cache_read, tokens.cache_write, tokens.output, tokens.reasoning, tokens.is_estimated
    )


def _queue(stats: QueueStats) -> QueueFigures:
    return QueueFigures(
        name=stats.name,
        capacity=stats.capacity_items,
        items_in=stats.items_in,
        items_out=stats.items_out,
        discarded=stats.discarded,
        depth_max=stats.depth_max,
        put_blocked_s=stats.put_blocked_s,
        overflows=stats.overflows,
    )


def _interventions(tape: Tape, scrub: Scrub) -> tuple[Intervention, ...]:
    return tuple(
        [
            Intervention(
                policy=one.policy,
                hook=one.hook,
                decision=one.decision,
                at=one.at - tape.opened_at,
                detail=None if one.detail is None else clean(scrub, one.detail, TEXT_LIMIT),
            )
            for one in tape.decisions
        ]
    )


def _moments(tape: Tape, scrub: Scrub) -> tuple[Moment, ...]:
    began = tape.opened_at
    return tuple([Moment(at - began, name, clean_attributes(about, scrub)) for at, name, about in tape.moments])


def _spans(tape: Tape, total_s: float, scrub: Scrub) -> tuple[RecordedSpan, ...]:
    """The transaction's span, whose events are the recording's moments, and those below it."""
    root, *below = tape.spans
    found = [_span(root, tape.started_ns, total_s, scrub, format_span_id(root.span_id), ())]
    for number, span in enumerate(below, 1):
        # Spans that nobody exports have the id of the one above them.
        known = span.span_id != root.span_id
        id = format_span_id(span.span_id if known else (root.span_id + number) % (1 << 64))
        events = tuple([_span_event(event, tape.started_ns, scrub) for event in span.events])
        found.append(_span(span, tape.started_ns, total_s, scrub, id, events))
    return tuple(found)


def _span(
    span: spans.RecordedSpan, started_ns: int, total_s: float, scrub: Scrub, id: str, events: tuple[Moment, ...]
) -> RecordedSpan:
    is_root = span.kind is SpanKind.SERVER
    has_ended = not span.recording and not is_root
    failed = span.status.status_code is StatusCode.ERROR
    return RecordedSpan(
        name=span.name,
        kind=_KINDS.get(span.kind, "internal"),
        span_id=id,
        parent_id=format_span_id(span.parent_id) if span.parent_id else "",
        began=(span.start_time - started_ns) / 1e9,
        ended=(span.end_time - started_ns) / 1e9 if has_ended else total_s,
        error=(span.status.description or "") if failed else None,
        attributes=clean_attributes(span.attributes, scrub),
        events=events,
    )


def _span_event(event: spans.SpanEvent, started_ns: int, scrub: Scrub) -> Moment:
    return Moment((event.timestamp - started_ns) / 1e9, event.name, clean_attributes(event.attributes, scrub))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

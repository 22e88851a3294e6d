"""The page of one transaction, and what it leads to: events, whole texts, bytes, exports."""

import re
from collections.abc import Sequence

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.console.blocks import ToolNames, Wish, part_blocks, text_at
from app.console.conversation.page import download, store_of
from app.console.conversation.reading import cache_miss_of, message_views
from app.console.services import console_of
from app.console.tools import tool_views
from app.console.transaction.raw import event_counts, raw_events
from app.console.transaction.sides import RequestDifference, answer_difference, request_difference
from app.console.transaction.waterfall import shortened, waterfall_of
from app.messages import Part
from app.recorder.bundles import encode_bundle
from app.recorder.curl import commands
from app.recorder.explaining import explain
from app.recorder.recording import NO_CHANGE, Piece, RecordedAttempt, Recording
from app.transcripts.answers import read_answer
from app.transcripts.page import page as html_page
from app.transcripts.requests import ReadRequest, read_request
from app.transcripts.server_events import joined_bytes

_PINNED_WITH = re.compile(r"before (?P<id>txn_\w+): (?P<reason>.*)", re.DOTALL)
_EVENTS = 200
"""On a page."""
_TEXT_PAGE = 200_000
"""Characters of a long text on a page."""


class AttemptView(Struct, frozen=True, kw_only=True):
    """An attempt, with what differs between what the client sent and what the provider got."""

    number: int
    attempt: RecordedAttempt
    first_byte: float | None
    difference: RequestDifference


class Side(Struct, frozen=True):
    """What one party sent: its name in addresses and for people, and the pieces."""

    name: str
    title: str
    pieces: Sequence[Piece]


def recording_of(request: Request) -> Recording:
    """The recording that the address names. Raises HTTPException where there is none."""
    found = store_of(console_of(request)).recording(str(request.path_params["id"]))
    if found is None:
        raise HTTPException(404, "This transaction is not recorded, or not any more.")
    return found


def _page(request: Request) -> Response:
    recording = recording_of(request)
    entry, read = recording.entry, read_request(recording.entry.api, recording.request)
    answer = read_answer(recording.answer)
    rendered = request.query_params.get("texts") != "raw"
    names = ToolNames(read.messages)
    return console_of(request).pages.page(
        request,
        "transaction.html",
        recording=recording,
        entry=entry,
        sentence=explain(recording),
        masks=_masks(recording),
        pinned=_pinned(entry.pinned or ""),
        base=f"/transactions/{entry.transaction_id}",
        waterfall=waterfall_of(recording),
        cache_miss=cache_miss_of(recording),
        messages=message_views(read, rendered),
        message_count=len(read.messages),
        tools=tool_views(read.tools),
        parameters=read.parameters,
        request_note=read.note,
        answer=answer,
        choices=[part_blocks(choice.parts, names, Wish(is_rendered=rendered)) for choice in answer.choices],
        attempts=[_attempt(recording, read, number) for number in range(1, len(recording.attempts) + 1)],
        answer_difference=answer_difference(recording, answer),
        counts=event_counts(recording.attempts[-1].answer if recording.attempts else (), recording.answer),
        is_one_api=not recording.attempts or recording.attempts[-1].api in ("", entry.api),
        sides=sides_of(recording),
        moments=[(moment, shortened(moment.attributes)) for moment in recording.moments],
        has_policies=bool(recording.attempts),
    )


def _masks(recording: Recording) -> str:
    """What is masked in a recording, in words; empty where nothing is."""
    if not recording.concealed:
        return ""
    policies = ", ".join(recording.concealed)
    if any(one.policy in recording.concealed and one.decision not in NO_CHANGE for one in recording.interventions):
        return f"What {policies} took out is masked here."
    return (
        f"{policies} took nothing out of this. To be safe, text is masked that the policies had not let through when "
        "the request ended."
    )


class Pinned(Struct, frozen=True):
    """Why a transaction is pinned, and before which other one it happened to pass, if it is pinned for that."""

    reason: str
    before: str = ""


def _pinned(text: str) -> Pinned:
    found = _PINNED_WITH.fullmatch(text)
    return Pinned(found["reason"], found["id"]) if found else Pinned(text)


def _attempt(recording: Recording, read: ReadRequest, number: int) -> AttemptView:
    attempt = recording.attempts[number - 1]
    return AttemptView(
        number=number,
        attempt=attempt,
        first_byte=attempt.answer[0].at - attempt.began if attempt.answer else None,
        difference=request_difference(recording, read, attempt),
    )


def sides_of(recording: Recording) -> list[Side]:
    """Who sent bytes of an answer: each provider that was asked, and the gateway to its client."""
    several = len(recording.attempts) > 1
    sides = [
        Side(f"provider-{number}", f"from the provider{f', attempt {number}' if several else ''}", attempt.answer)
        for number, attempt in enumerate(recording.attempts, 1)
    ]
    return [*sides, Side("client", "to the client", recording.answer)]


def _events(request: Request) -> Response:
    recording = recording_of(request)
    sides = sides_of(recording)
    wanted = request.query_params.get("side", "client")
    side = next((side for side in sides if side.name == wanted), None)
    if side is None:
        raise HTTPException(404, "There is no such side of this transaction.")
    page = page_of(request)
    events, total = raw_events(side.pieces, page * _EVENTS, _EVENTS)
    return console_of(request).pages.page(
        request,
        "transaction_events.html",
        recording=recording,
        base=f"/transactions/{recording.entry.transaction_id}",
        sides=sides,
        side=side,
        events=events,
        total=total,
        page=page,
        last_page=max(0, (total - 1) // _EVENTS),
    )


def page_of(request: Request) -> int:
    text = request.query_params.get("page", "0")
    return int(text) if text.isdecimal() and len(text) < 8 else 0


def _text(request: Request) -> Response:
    """All of one text, page by page."""
    recording = recording_of(request)
    params = request.path_params
    at = str(params["at"])
    parts = _parts(recording, str(params["where"]), int(at)) if at.isdecimal() and len(at) < 8 else None
    text = None if parts is None else text_at(parts, str(params["path"]))
    if text is None:
        raise HTTPException(404, "There is no such text in this transaction.")
    page, last_page = page_of(request), max(0, (len(text) - 1) // _TEXT_PAGE)
    return console_of(request).pages.page(
        request,
        "transaction_text.html",
        recording=recording,
        base=f"/transactions/{recording.entry.transaction_id}",
        text=text[page * _TEXT_PAGE : (page + 1) * _TEXT_PAGE],
        size=len(text),
        page=page,
        last_page=last_page,
    )


def _parts(recording: Recording, where: str, at: int) -> Sequence[Part] | None:
    """The parts of a message of the request, or of a choice of the answer."""
    if where == "request":
        messages = read_request(recording.entry.api, recording.request).messages
        return messages[at].parts if at < len(messages) else None
    choices = read_answer(recording.answer).choices
    return choices[at].parts if at < len(choices) else None


def _raw(request: Request) -> Response:
    """Bytes as they were recorded, to be kept as a file."""
    recording, what = recording_of(request), str(request.path_params["what"])
    bodies = _bodies(recording)
    if what not in bodies:
        raise HTTPException(404, "There are no such bytes in this transaction.")
    return download(bodies[what], f"{recording.entry.transaction_id}-{what}.bin", "application/octet-stream")


def _bodies(recording: Recording) -> dict[str, bytes]:
    bodies = {"request": recording.request.data, "answer": joined_bytes(recording.answer)}
    for number, attempt in enumerate(recording.attempts, 1):
        bodies[f"request-{number}"] = attempt.request.data
        bodies[f"answer-{number}"] = joined_bytes(attempt.answer)
    return bodies


def _bundle(request: Request) -> Response:
    recording = recording_of(request)
    return download(encode_bundle([recording]), f"{recording.entry.transaction_id}.json", "application/json")


def _html(request: Request) -> Response:
    recording = recording_of(request)
    return download(
        html_page([recording]).encode("utf-8", "replace"), f"{recording.entry.transaction_id}.html", "text/html"
    )


def _curl(request: Request) -> Response:
    """The requests as cURL commands: the client's, and that of each attempt."""
    recording = recording_of(request)
    return console_of(request).pages.page(
        request,
        "transaction_curl.html",
        recording=recording,
        base=f"/transactions/{recording.entry.transaction_id}",
        commands=commands(recording),
    )


_ID = "/transactions/{id}"
ROUTES = [
    Route("/transactions/{id}.json", _bundle),
    Route("/transactions/{id}.html", _html),
    Route(f"{_ID}/curl", _curl),
    Route(f"{_ID}/events", _events),
    Route(f"{_ID}/texts/{{where:str}}/{{at:str}}/{{path:str}}", _text),
    Route(f"{_ID}/raw/{{what}}", _raw),
    Route(_ID, _page),
]

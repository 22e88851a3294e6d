"""The page on which a recorded transaction goes through another chain of policies."""

import threading
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.backends.replay import NotReplayable
from app.console.conversation.page import store_of
from app.console.forms import fields_of
from app.console.policies.chains import BadChain, chain_of, text_of_chain
from app.console.services import Console, console_of
from app.policies import PolicyNotLoadable
from app.recorder.recording import Entry, Recording
from app.recorder.stores import Filter
from app.replay.engine import replay
from app.settings import Settings
from app.transcripts.answers import read_answer
from app.transcripts.differences import Line, difference
from app.transcripts.plain import answer_lines, conversation_lines
from app.transcripts.requests import read_request

_OFFERED = 30
"""Transactions that the form offers."""
_ONE_AT_A_TIME = threading.Lock()
"""A replay takes a gateway of its own, and a processor."""
_WAIT = 10.0
"""Seconds that one waits for another."""


class Rerun(Struct, frozen=True, kw_only=True):
    """What a chain of policies makes of a recorded transaction. Differences are from what the client and the provider
    said to what came of it."""

    recording: Recording
    is_sent: bool
    """Whether a provider would have been asked."""
    request: tuple[Line, ...]
    is_request_as_then: bool
    """Whether the provider would have got what it got then."""
    answer: tuple[Line, ...]
    is_answer_as_then: bool
    """Whether the client would have got what it got then."""


def rerun_of(then: Recording, now: Recording) -> Rerun:
    asked = list(conversation_lines(read_request(then.entry.api, then.request)))
    sent_then, sent = _sent(then), _sent(now)
    given = list(answer_lines(read_answer(then.attempts[-1].answer if then.attempts else ())))
    before, after = (list(answer_lines(read_answer(one.answer))) for one in (then, now))
    return Rerun(
        recording=now,
        is_sent=sent is not None,
        request=() if sent is None else difference(asked, sent),
        is_request_as_then=sent == sent_then,
        answer=difference(given, after),
        is_answer_as_then=before == after and then.entry.outcome == now.entry.outcome,
    )


def _sent(recording: Recording) -> list[str] | None:
    """What the provider got in the last attempt, as lines; None where none was asked."""
    if not recording.attempts:
        return None
    attempt = recording.attempts[-1]
    return list(conversation_lines(read_request(attempt.api or recording.entry.api, attempt.request, attempt.url)))


def _form(request: Request) -> Response:
    console = console_of(request)
    chosen = request.query_params.get("transaction", "")
    return _page(request, console, chosen, text_of_chain(console.settings.policies))


async def _try(request: Request) -> Response:
    fields = await fields_of(request)
    return await run_in_threadpool(_tried, request, fields.get("transaction", "").strip(), fields.get("policies", ""))


def _tried(request: Request, chosen: str, text: str) -> Response:
    console = console_of(request)
    recording = store_of(console).recording(chosen) if chosen else None
    if recording is None:
        return _page(request, console, chosen, text, fault="This transaction is not recorded, or not any more.")
    try:
        settings = replace(console.settings, policies=chain_of(text, console.settings.policies))
        rerun = _rerun(recording, settings)
    except (BadChain, NotReplayable, PolicyNotLoadable) as error:
        return _page(request, console, chosen, text, fault=str(error), recording=recording)
    return _page(request, console, chosen, text, recording=recording, rerun=rerun)


def _rerun(recording: Recording, settings: Settings) -> Rerun:
    """Raises NotReplayable, PolicyNotLoadable, and HTTPException while another one runs."""
    if not _ONE_AT_A_TIME.acquire(timeout=_WAIT):
        raise HTTPException(503, "Another transaction is on its way through policies: try again in a moment.")
    try:
        return rerun_of(recording, replay(recording, settings, anyway=True).recording)
    finally:
        _ONE_AT_A_TIME.release()


def _page(
    request: Request,
    console: Console,
    chosen: str,
    text: str,
    *,
    fault: str = "",
    recording: Recording | None = None,
    rerun: Rerun | None = None,
) -> Response:
    return console.pages.page(
        request,
        "policies.html",
        400 if fault else 200,
        is_on=console.store is not None,
        offered=_offered(console, chosen),
        chosen=chosen,
        text=text,
        running=text_of_chain(console.settings.policies),
        fault=fault,
        recording=recording,
        rerun=rerun,
    )


def _offered(console: Console, chosen: str) -> Sequence[Entry]:
    """The latest transactions, and the one that was chosen."""
    if console.store is None:
        return ()
    latest = console.store.entries(Filter(), limit=_OFFERED)
    if not chosen or any(entry.transaction_id == chosen for entry in latest):
        return latest
    recording = console.store.recording(chosen)
    return latest if recording is None else [recording.entry, *latest]


ROUTES = [Route("/policies", _form), Route("/policies", _try, methods=["POST"])]

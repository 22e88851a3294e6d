"""Conversations and transactions: what was recorded, the newest first, as lists whose address is what they show.

A list that is open follows what is recorded: it is told that there is more, and asks for itself anew. A page further
back stays as it is.
"""

from collections.abc import AsyncIterator, Sequence
from time import time
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.console.agents import agent_tree
from app.console.events import EventStream, event
from app.console.queries import OUTCOME_CHOICES, BadQuery, cursor_of, filter_of, next_page, with_fields
from app.console.services import Console, console_of
from app.recorder.stores import Cursor, Filter
from app.settings import Settings

_PAGE = 50
_CHOICES = 200
"""Names of models and keys that a field proposes."""
_OF_ONE = 1000
"""Transactions of one conversation of which its agents are made."""
_INTERVAL = 1.0
"""Seconds."""


def _conversations(request: Request) -> Response:
    console = console_of(request)
    if console.recorder is None:
        return console.pages.page(request, "conversations.html", is_on=False)
    seen = console.recorder.written
    try:
        wanted, after = _asked(request)
    except BadQuery as error:
        return _page(request, "conversations.html", seen, fault=str(error))
    found = console.recorder.store.conversations(wanted, after, _PAGE + 1)
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    cursor = Cursor(last.last, last.conversation) if last is not None else None
    return _page(request, "conversations.html", seen, found[:_PAGE], cursor)


def _transactions(request: Request) -> Response:
    console = console_of(request)
    if console.recorder is None:
        return console.pages.page(request, "transactions.html", is_on=False)
    seen = console.recorder.written
    try:
        wanted, after = _asked(request)
    except BadQuery as error:
        return _page(request, "transactions.html", seen, fault=str(error))
    found = console.recorder.store.entries(wanted, after, _PAGE + 1)
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    cursor = Cursor(last.started_at, last.transaction_id) if last is not None else None
    return _page(request, "transactions.html", seen, found[:_PAGE], cursor)


def _asked(request: Request) -> tuple[Filter, Cursor | None]:
    query = dict(request.query_params)
    return filter_of(query, time()), cursor_of(query)


def _page(
    request: Request,
    template: str,
    seen: int,
    found: Sequence[Any] = (),
    cursor: Cursor | None = None,
    fault: str = "",
) -> HTMLResponse:
    """A list's page. `cursor` is behind its last line, where more follow; `seen` is how many recordings there had been
    when it was asked for."""
    console, query = console_of(request), dict(request.query_params)
    return console.pages.page(
        request,
        template,
        400 if fault else 200,
        is_on=True,
        found=found,
        fault=fault,
        query=query,
        first=with_fields(query),
        more=next_page(query, cursor) if cursor is not None else None,
        seen=seen,
        outcomes=OUTCOME_CHOICES,
        choices=_choices(console.settings),
    )


def _choices(settings: Settings) -> dict[str, list[str]]:
    """What the fields for names propose."""
    names = {
        "model": {deployment.model_name for deployment in settings.deployments},
        "key": {key.name for key in settings.keys if key.name},
        "team": {key.team for key in settings.keys if key.team},
    }
    return {field: sorted(found)[:_CHOICES] for field, found in names.items()}


def _agents(request: Request) -> Response:
    """The agents of one conversation, as a piece of its line in the list."""
    console = console_of(request)
    conversation = request.query_params.get("conversation", "")
    entries = (
        console.recorder.store.entries(Filter(conversation=conversation), None, _OF_ONE) if console.recorder else []
    )
    html = console.pages.fragment("agents.html", agents=agent_tree(entries), conversation=conversation)
    return HTMLResponse(html)


async def _events(request: Request) -> Response:
    console = console_of(request)
    console.watchers.check_room()
    seen = request.query_params.get("seen", "")
    return EventStream(_news(console, int(seen) if seen.isdecimal() and len(seen) < 16 else 0))


async def _news(console: Console, seen: int) -> AsyncIterator[str]:
    """An event whenever something was recorded."""
    async for _ in console.watchers.turns(_INTERVAL):
        written = console.recorder.written if console.recorder is not None else seen
        if written != seen:
            seen = written
            yield event("recorded", str(written))


ROUTES = [
    Route("/conversations", _conversations),
    Route("/agents", _agents),
    Route("/transactions", _transactions),
    Route("/recordings/events", _events),
]

"""Conversations and transactions: what was recorded, the newest first, as lists whose address is what they show.

A list that is open follows what is recorded: it is told that there is more, and asks for itself anew. A page further
back stays as it is.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from time import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.console.agents import agent_tree
from app.console.events import EventStream, event
from app.console.queries import OUTCOME_CHOICES, BadQuery, cursor_of, filter_of, next_page, with_fields
from app.console.services import Console, console_of
from app.recorder.stores import Cursor, Filter, StoreFailed
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
    if console.store is None or console.progress is None:
        return console.pages.page(request, "conversations.html", is_on=False)
    seen = console.progress.reading()
    try:
        wanted, after = _asked(request)
    except BadQuery as error:
        return _page(request, "conversations.html", seen, fault=str(error))
    found = console.store.conversations(wanted, after, _PAGE + 1)
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    cursor = Cursor(last.last, last.conversation) if last is not None else None
    return _page(request, "conversations.html", seen, found[:_PAGE], cursor)


def _transactions(request: Request) -> Response:
    console = console_of(request)
    if console.store is None or console.progress is None:
        return console.pages.page(request, "transactions.html", is_on=False)
    seen = console.progress.reading()
    try:
        wanted, after = _asked(request)
    except BadQuery as error:
        return _page(request, "transactions.html", seen, fault=str(error))
    found = console.store.entries(wanted, after, _PAGE + 1)
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    cursor = Cursor(last.started_at, last.transaction_id) if last is not None else None
    return _page(request, "transactions.html", seen, found[:_PAGE], cursor)


def _asked(request: Request) -> tuple[Filter, Cursor | None]:
    query = dict(request.query_params)
    return filter_of(query, time()), cursor_of(query)


def _page(
    request: Request,
    template: str,
    seen: str,
    found: Sequence[Any] = (),
    cursor: Cursor | None = None,
    fault: str = "",
) -> HTMLResponse:
    """A list's page. `cursor` is behind its last line, where more follow; `seen` is how far the store was when it
    was asked."""
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
        console.store.entries(Filter(conversation=conversation), None, _OF_ONE) if console.store is not None else []
    )
    html = console.pages.fragment("agents.html", agents=agent_tree(entries), conversation=conversation)
    return HTMLResponse(html)


async def _events(request: Request) -> Response:
    console = console_of(request)
    console.watchers.check_room()
    return EventStream(_news(console, request.query_params.get("seen", "")))


async def _news(console: Console, seen: str) -> AsyncIterator[str]:
    """An event whenever something was recorded. A store that cannot be read has nothing new."""
    async for _ in console.watchers.turns(_INTERVAL):
        reading = seen
        if console.progress is not None:
            with suppress(StoreFailed):
                reading = await run_in_threadpool(console.progress.reading)
        if reading != seen:
            seen = reading
            yield event("recorded", reading)


ROUTES = [
    Route("/conversations", _conversations),
    Route("/agents", _agents),
    Route("/transactions", _transactions),
    Route("/recordings/events", _events),
]

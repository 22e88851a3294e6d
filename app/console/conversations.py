"""Conversations: the list of what was said, by session, the newest first."""

from time import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.console.queries import OUTCOME_CHOICES, BadQuery, cursor_of, filter_of, next_page
from app.console.services import console_of
from app.recorder.stores import ConversationEntry, Cursor

_PAGE = 50


def _conversations(request: Request) -> Response:
    console, query, fault = console_of(request), dict(request.query_params), ""
    found: list[ConversationEntry] = []
    try:
        if console.store is not None:
            found = console.store.conversations(filter_of(query, time()), cursor_of(query), _PAGE + 1)
    except BadQuery as error:
        fault = str(error)
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    return console.pages.page(
        request,
        "conversations.html",
        400 if fault else 200,
        found=found[:_PAGE],
        more=next_page(query, Cursor(last.last, last.conversation)) if last else None,
        query=query,
        fault=fault,
        outcomes=OUTCOME_CHOICES,
        is_on=console.store is not None,
    )


ROUTES = [Route("/conversations", _conversations)]

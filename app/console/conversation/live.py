"""A conversation while it goes on: answers in progress as they grow, and turns as they end.

A page is told that there is news, and asks for what it does not have: it knows how many turns it has, so none comes
twice however often its connection breaks.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.console.blocks import Block, Wish, part_blocks
from app.console.conversation.page import entries_of, is_of, live_query, recordings_of, store_of
from app.console.conversation.reading import Agent, agents_of, summary_of, turns_of
from app.console.events import EventStream, event
from app.console.services import Console, console_of
from app.recorder.capture import TransactionUnderWay
from app.recorder.stores import Filter, Store, StoreFailed
from app.transcripts.answers import ReadAnswer, ReadChoice, read_answer
from app.transcripts.requests import read_request

_INTERVAL = 1.0
"""Seconds."""
_LOOKED_BACK = 12
_MOST_NEW = 20
"""Turns that are given at once; the page has a link to the rest."""


class Growing(Struct, frozen=True, kw_only=True):
    """An answer in progress."""

    transaction: TransactionUnderWay
    asked: str
    """The last message of the request, on one line."""
    answer: ReadAnswer
    blocks: tuple[Block, ...]


async def _events(request: Request) -> Response:
    console = console_of(request)
    console.watchers.check_room()
    return EventStream(_news(console, str(request.path_params["conversation"])))


async def _news(console: Console, conversation: str) -> AsyncIterator[str]:
    """Word of turns that ended since the event before, and the answers in progress."""
    store, latest, was_growing = store_of(console), "", False
    async for _ in console.watchers.turns(_INTERVAL):
        now = latest
        # A store that cannot be read has nothing new.
        with suppress(StoreFailed):
            now = await run_in_threadpool(_latest, store, conversation)
        if now != latest:
            latest = now
            yield event("news", now)
        growing = await run_in_threadpool(_growing, console, conversation)
        if growing or was_growing:
            was_growing = bool(growing)
            yield event("under-way", console.pages.fragment("under_way.html", growing=growing))


def _latest(store: Store, conversation: str) -> str:
    """By what the conversation's last transactions are known."""
    return " ".join(entry.transaction_id for entry in store.entries(Filter(conversation=conversation), limit=5))


def _growing(console: Console, conversation: str) -> list[Growing]:
    return [_of(one) for one in console.under_way(conversation)]


def _of(one: TransactionUnderWay) -> Growing:
    request, answer = read_request(one.api, one.request), read_answer(one.answer)
    return Growing(
        transaction=one,
        asked=summary_of(request.messages[-1]) if request.messages else "",
        answer=answer,
        blocks=tuple([replace(block, is_open=True) for choice in answer.choices for block in _blocks(choice)]),
    )


def _blocks(choice: ReadChoice) -> tuple[Block, ...]:
    return part_blocks(choice.parts, wish=Wish(is_rendered=False))


def _new_turns(request: Request) -> Response:
    """The turns that a page with `known` of them does not have."""
    console, query = console_of(request), request.query_params
    conversation = str(request.path_params["conversation"])
    store, agent = store_of(console), query.get("agent")
    entries = entries_of(store, conversation)
    known = int(text) if (text := query.get("known", "0")).isdecimal() and len(text) < 10 else 0
    by_end = sorted(entries, key=lambda entry: entry.started_at + entry.duration_s)
    wanted = {entry.transaction_id for entry in by_end[known:][-_MOST_NEW:]}
    numbered = [(number, entry) for number, entry in enumerate(entries, 1) if is_of(entry, agent)]
    new = [(number, entry) for number, entry in numbered if entry.transaction_id in wanted]
    earlier = [entry for _, entry in numbered if entry.transaction_id not in wanted][-_LOOKED_BACK:]
    agents: dict[str | None, Agent] = agents_of(entries)
    recordings = {one.entry.transaction_id: one for one in recordings_of(store, [entry for _, entry in new])}
    turns = turns_of(recordings_of(store, earlier), list(recordings.values()), agents, query.get("texts") != "raw")
    numbers: Sequence[int] = [number for number, entry in new if entry.transaction_id in recordings]
    html = console.pages.fragment(
        "new_turns.html",
        turns=list(zip(numbers, turns, strict=True)),
        labelled=len(agents) > 1,
        more=f"{request.url.path}?{live_query(query, len(entries))}",
    )
    return HTMLResponse(html)


ROUTES = [
    Route("/news/of/{conversation:path}", _events),
    Route("/news/turns/{conversation:path}", _new_turns),
]

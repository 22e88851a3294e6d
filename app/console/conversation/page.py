"""The page of one conversation. Its latest turns come first to be read, the earlier ones are a page away."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.console.conversation.reading import Agent, Turn, agents_of, title_of, turns_of
from app.console.services import Console, console_of
from app.recorder.bundles import encode_bundle
from app.recorder.recording import Entry, Recording, TokenCounts
from app.recorder.stores import Filter, Store
from telemetry.names import NOT_A_FAULT

_TURNS = 20
"""On a page."""
_LOOKED_BACK = 8
"""Earlier turns that are looked at for what the first one of a page goes on from."""
_LARGEST_BUNDLE = 128 * 1024**2
"""Bytes of requests and answers."""
_MOST = 2_000
"""Transactions of a conversation that are counted and can be looked at; of a longer one, the latest."""


class Sums(Struct, frozen=True, kw_only=True):
    """A conversation in numbers."""

    turns: int
    began: float
    last: float
    tokens: TokenCounts | None = None
    cost_usd: float | None = None
    failures: int = 0


class Speaker(Struct, frozen=True, kw_only=True):
    """An agent with what it did."""

    agent: Agent
    turns: int
    cost_usd: float | None


class Excerpt(Struct, frozen=True, kw_only=True):
    """Some turns of a conversation, each with its number, and whether there are earlier and later ones."""

    turns: tuple[tuple[int, Turn], ...]
    first: int
    has_later: bool


def entries_of(store: Store, conversation: str) -> list[Entry]:
    """The transactions of a conversation in their order. The id of a transaction that belongs to none stands for that
    transaction alone."""
    found = store.entries(Filter(conversation=conversation), limit=_MOST)
    if not found and (recording := store.recording(conversation)) is not None:
        found = [recording.entry]
    return sorted(found, key=lambda entry: entry.started_at)


def sums_of(entries: Sequence[Entry]) -> Sums:
    costs = [entry.cost_usd for entry in entries if entry.cost_usd is not None]
    return Sums(
        turns=len(entries),
        began=entries[0].started_at,
        last=max(entry.started_at + entry.duration_s for entry in entries),
        tokens=_all_tokens(entries),
        cost_usd=sum(costs) if costs else None,
        failures=sum(entry.outcome not in NOT_A_FAULT for entry in entries),
    )


def _all_tokens(entries: Sequence[Entry]) -> TokenCounts | None:
    counts = [entry.tokens for entry in entries if entry.tokens is not None]
    if not counts:
        return None
    return TokenCounts(
        input=sum(one.input for one in counts),
        cache_read=sum(one.cache_read for one in counts),
        cache_write=sum(one.cache_write for one in counts),
        output=sum(one.output for one in counts),
        reasoning=sum(one.reasoning for one in counts),
        estimated=any(one.estimated for one in counts),
    )


def excerpt_of(
    store: Store, entries: Sequence[Entry], agent: str | None, before: int, rendered: bool, count: int = _TURNS
) -> Excerpt:
    """The turns that end before the one with the number `before`: those of one agent alone, where it is not None; an
    empty one stands for requests without the id of an agent."""
    agents = agents_of(entries)
    numbered = [(number, entry) for number, entry in enumerate(entries, 1) if number < before and is_of(entry, agent)]
    chosen = numbered[-count:]
    looked_back = numbered[: -count or None][-_LOOKED_BACK:] if len(numbered) > count else []
    earlier = recordings_of(store, [entry for _, entry in looked_back])
    found = {
        recording.entry.transaction_id: recording for recording in recordings_of(store, [one for _, one in chosen])
    }
    turns = turns_of(earlier, list(found.values()), agents, rendered)
    numbers = [number for number, entry in chosen if entry.transaction_id in found]
    return Excerpt(
        turns=tuple(zip(numbers, turns, strict=True)),
        first=chosen[0][0] if len(numbered) > count else 0,
        has_later=any(number >= before for number in range(1, len(entries) + 1)),
    )


def is_of(entry: Entry, agent: str | None) -> bool:
    """Whether it is of this agent: None stands for any of them, and an empty text for none."""
    return agent is None or entry.agent == (agent or None)


def live_query(query: Mapping[str, str], known: int) -> str:
    """How a page that has all of `known` turns asks for those that follow."""
    kept = {name: query[name] for name in ("agent", "texts") if name in query}
    return urlencode({**kept, "known": known})


def recordings_of(store: Store, entries: Sequence[Entry]) -> list[Recording]:
    """The recordings of these transactions that are still there."""
    found = [store.recording(entry.transaction_id) for entry in entries]
    return [recording for recording in found if recording is not None]


def _page(request: Request) -> Response:
    console, query = console_of(request), request.query_params
    conversation = str(request.path_params["conversation"])
    store = store_of(console)
    entries = entries_of(store, conversation)
    if not entries:
        raise HTTPException(404, "Nothing is recorded of this conversation, or not any more.")
    before = _number(query.get("before"), len(entries) + 1)
    rendered = query.get("texts") != "raw"
    agent = query.get("agent")
    excerpt = excerpt_of(store, entries, agent, before, rendered)
    agents = agents_of(entries)
    return console.pages.page(
        request,
        "conversation.html",
        conversation=conversation,
        title=title_of(entries),
        sums=sums_of(entries),
        agents=[_speaker(one, entries) for one in agents.values()],
        agent=None if agent is None else agents.get(agent or None),
        turns=excerpt.turns,
        labelled=len(agents) > 1,
        rendered=rendered,
        raw_view=_address(request, texts="raw"),
        rendered_view=_address(request, texts=None),
        earlier=_address(request, before=str(excerpt.first)) if excerpt.first else None,
        latest=_address(request, before=None) if excerpt.has_later else None,
        live=not excerpt.has_later,
        more=f"/news/turns/{quote(conversation)}?{live_query(query, len(entries))}",
    )


def _bundle(request: Request) -> Response:
    """All that is recorded of a conversation, as one file."""
    conversation = str(request.path_params["conversation"])
    store = store_of(console_of(request))
    found, size = [], 0
    for entry in entries_of(store, conversation):
        for recording in recordings_of(store, [entry]):
            size += recording.request.size + recording.answer_size
            found.append(recording)
        if size > _LARGEST_BUNDLE:
            raise HTTPException(413, "It is too large for one bundle: export its transactions one by one.")
    if not found:
        raise HTTPException(404, "Nothing is recorded of this conversation, or not any more.")
    return download(encode_bundle(found), f"{conversation}.json", "application/json")


def download(content: bytes, name: str, media_type: str) -> Response:
    """Something that a browser keeps as a file and does not show."""
    safe = "".join([letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name])
    headers = {"content-disposition": f'attachment; filename="{safe[-120:]}"'}
    return Response(content, media_type=media_type, headers=headers)


def _speaker(agent: Agent, entries: Sequence[Entry]) -> Speaker:
    of_it = [entry for entry in entries if entry.agent == agent.id]
    costs = [entry.cost_usd for entry in of_it if entry.cost_usd is not None]
    return Speaker(agent=agent, turns=len(of_it), cost_usd=sum(costs) if costs else None)


def store_of(console: Console) -> Store:
    """Raises HTTPException while the recorder is off."""
    if console.store is None:
        raise HTTPException(404, "The recorder is off: nothing is kept that could be looked at.")
    return console.store


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


def _address(request: Request, **changed: str | None) -> str:
    """The page's address with other parameters."""
    query = {**request.query_params, **changed}
    kept = {name: value for name, value in query.items() if value is not None}
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path


ROUTES = [
    Route("/conversations/{conversation:path}.json", _bundle),
    Route("/conversations/{conversation:path}", _page),
]

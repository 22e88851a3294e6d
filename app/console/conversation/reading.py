"""The recordings of one conversation as the turns of a page: who speaks, and what is new in each turn. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from app.console.blocks import BRIEF, FULL, Block, Room, ToolNames, Wish, blocks, part_blocks
from app.console.texts import excerpt
from app.console.tools import ToolView, tool_views
from app.messages import InputMessage, TextPart, ToolCallPart, ToolDefinition
from app.recorder.recording import Entry, Moment, Recording
from app.recorder.titles import is_reminder
from app.transcripts.answers import ReadAnswer, ReadChoice, read_answer
from app.transcripts.changes import Changes, Fingerprints, Step, changes, fingerprints, predecessor
from app.transcripts.differences import Line, difference
from app.transcripts.plain import text_of
from app.transcripts.requests import ReadRequest, read_request
from telemetry.names.events import Event
from telemetry.names.spans import Attribute

_OUTLINED = 120
"""Lines of an outline of messages that were sent before."""
_OPEN_AT_FIRST = 4
"""Messages that are unfolded of a request that goes on from none."""
_COLOURS = 6
_MOST_STEPS = 200
_SUMMARY = 90


class Agent(Struct, frozen=True, kw_only=True):
    """Somebody who speaks in a conversation. `colour` is one of a few, `depth` that in the tree of agents."""

    id: str | None
    label: str
    colour: int = 0
    depth: int = 0


class Outline(Struct, frozen=True):
    """A message in one line."""

    role: str
    summary: str


class MessageView(Struct, frozen=True, kw_only=True):
    """A message on the page. `at` is its position in the request."""

    role: str
    at: int
    blocks: tuple[Block, ...]
    summary: str
    size: int
    """Characters."""
    is_echo: bool = False
    """Whether it is the answer to the turn before, as it was given."""
    is_open: bool = True
    change: tuple[Line, ...] = ()
    """The lines that differ from the message that stood there before."""


class Passage(Struct, frozen=True, kw_only=True):
    """A run of messages of a request: repeated ones in outline, those that are gone likewise, or new ones whole."""

    outlines: tuple[Outline, ...] = ()
    messages: tuple[MessageView, ...] = ()
    count: int = 0
    is_gone: bool = False


class CacheMiss(Struct, frozen=True, kw_only=True):
    """What was paid for although a provider had it in its cache, and why."""

    cause: str
    by: str = ""
    block: str = ""
    lost_tokens: int | None = None
    cost_usd: float | None = None


class Turn(Struct, frozen=True, kw_only=True):
    """One transaction in its conversation."""

    recording: Recording
    agent: Agent
    follows: str | None
    """The id of the transaction whose request it goes on from; None where it begins anew."""
    passages: tuple[Passage, ...]
    tools: tuple[ToolView, ...]
    tools_news: str
    """What changed of the tools, in words; empty where nothing did."""
    parameters_changed: tuple[str, ...]
    is_prefix_kept: bool
    note: str | None
    answer: ReadAnswer
    choices: tuple[tuple[Block, ...], ...]
    gist: str
    """What was answered, on one line."""
    cache_miss: CacheMiss | None = None

    @property
    def is_repeated(self) -> bool:
        """Whether nothing in its messages is new."""
        return self.follows is not None and not any(one.messages or one.is_gone for one in self.passages)

    @property
    def entry(self) -> Entry:
        return self.recording.entry


class _Read(Struct, frozen=True):
    recording: Recording
    request: ReadRequest
    prints: Fingerprints
    answer: ReadAnswer


def agents_of(entries: Sequence[Entry]) -> dict[str | None, Agent]:
    """Everybody who speaks in these transactions, given in their order, by id."""
    parents = {entry.agent: entry.parent_agent for entry in entries}
    found: dict[str | None, Agent] = {}
    for entry in entries:
        if entry.agent not in found:
            label = "main" if entry.agent is None else _label(entry.agent)
            depth = _depth(entry.agent, parents)
            found[entry.agent] = Agent(id=entry.agent, label=label, colour=len(found) % _COLOURS, depth=depth)
    return found


def _label(agent: str) -> str:
    name = excerpt(agent, 14)
    return name if name.startswith("agent") else f"agent {name}"


def title_of(entries: Sequence[Entry]) -> str:
    """What a conversation is called: by what was asked in most of its requests, as agents ask for a title and the like
    in between; of several, by what was asked first."""
    titles = Counter(entry.title for entry in entries if entry.title)
    return max(titles, key=lambda title: titles[title], default="")


def _depth(agent: str | None, parents: Mapping[str | None, str | None]) -> int:
    seen: set[str | None] = set()
    depth = 0
    while agent is not None and agent not in seen:
        seen.add(agent)
        agent = parents.get(agent)
        depth += 1
    return min(depth, 4)


def turns_of(
    earlier: Sequence[Recording], recordings: Sequence[Recording], agents: Mapping[str | None, Agent], rendered: bool
) -> list[Turn]:
    """The turns of `recordings`, given in their order; `earlier` ones are looked at for what was sent before."""
    known: list[_Read] = [_read(recording) for recording in earlier]
    turns: list[Turn] = []
    for recording in recordings:
        read = _read(recording)
        at = predecessor([one.prints for one in known], read.prints)
        turns.append(_turn(read, None if at is None else known[at], agents[recording.entry.agent], rendered))
        known.append(read)
    return turns


def _read(recording: Recording) -> _Read:
    request = read_request(recording.entry.api, recording.request)
    return _Read(recording, request, fingerprints(request), read_answer(recording.answer))


def _turn(read: _Read, before: _Read | None, agent: Agent, rendered: bool) -> Turn:
    found = None if before is None else changes(before.prints, read.prints)
    names = ToolNames(read.request.messages)
    views = _Views(read, before, names, rendered)
    answer = read.answer
    return Turn(
        recording=read.recording,
        agent=agent,
        follows=None if before is None else before.recording.entry.transaction_id,
        passages=views.all_new() if found is None else views.passages(found),
        tools=_tools(read.request.tools, found),
        tools_news=_tools_news(found),
        parameters_changed=() if found is None else found.parameters_changed,
        is_prefix_kept=found is None or found.is_prefix_kept,
        note=read.request.note,
        answer=answer,
        choices=tuple([part_blocks(choice.parts, names, Wish(FULL, rendered)) for choice in answer.choices]),
        gist=_gist(answer),
        cache_miss=cache_miss_of(read.recording),
    )


class _Views:
    """Makes the passages of one request."""

    def __init__(self, read: _Read, before: _Read | None, names: ToolNames, rendered: bool) -> None:
        self._messages = read.request.messages
        self._before = before
        self._names = names
        self._rendered = rendered
        self._room = Room()

    def all_new(self) -> tuple[Passage, ...]:
        first = len(self._messages) - _OPEN_AT_FIRST
        views = self._with_room(range(len(self._messages)), lambda at: self._view(at, is_open=at >= first))
        return (Passage(messages=views, count=len(self._messages)),) if views else ()

    def passages(self, found: Changes) -> tuple[Passage, ...]:
        # The last ones have the room: they are read first.
        return tuple([self._passage(step) for step in reversed(found.steps[-_MOST_STEPS:])][::-1])

    def _with_room(self, positions: range, view: Callable[[int], MessageView]) -> tuple[MessageView, ...]:
        return last_with_room(positions, view, self._room)

    def _passage(self, step: Step) -> Passage:
        before = self._before.request.messages if self._before is not None else ()
        if step.kind == "same":
            return Passage(outlines=_outlines(self._messages[slice(*step.now)]), count=step.count)
        if step.kind == "removed":
            return Passage(outlines=_outlines(before[slice(*step.before)]), count=step.count, is_gone=True)
        old = before[slice(*step.before)] if step.kind == "changed" else ()
        views = self._with_room(range(*step.now), lambda at: self._changed(at, old))
        return Passage(messages=views, count=step.now[1] - step.now[0])

    def _changed(self, at: int, old: Sequence[InputMessage]) -> MessageView:
        """The message, beside the one of the same role that stood there before."""
        message = self._messages[at]
        same_role = [one for one in old if one.role == message.role]
        view = self._view(at)
        if not same_role or view.is_echo:
            return view
        # Of several that stood there, the one at the same distance from the end.
        change = difference(_lines(same_role[-1]), _lines(message), limit=200)
        return replace(view, change=change, is_open=False)

    def _view(self, at: int, is_open: bool = True) -> MessageView:
        message = self._messages[at]
        is_echo = message.role == "assistant" and self._before is not None and _is_echo(message, self._before.answer)
        return message_view(message, at, self._names, Wish(FULL, self._rendered, self._room), is_open, is_echo)


def last_with_room(positions: range, view: Callable[[int], MessageView], room: Room) -> tuple[MessageView, ...]:
    """The views of the last messages at these positions: as many as there is room for."""
    found: list[MessageView] = []
    for at in reversed(positions):
        if not room.has_any:
            break
        found.append(view(at))
    return tuple(reversed(found))


def message_views(request: ReadRequest, rendered: bool) -> tuple[MessageView, ...]:
    """The last messages of one request, as many as there is room for; the very last ones are unfolded."""
    messages, room = request.messages, Room()
    names, first = ToolNames(messages), len(messages) - _OPEN_AT_FIRST
    wish = Wish(FULL, rendered, room)
    return last_with_room(
        range(len(messages)), lambda at: message_view(messages[at], at, names, wish, at >= first), room
    )


def message_view(
    message: InputMessage, at: int, names: ToolNames, wish: Wish, is_open: bool = True, is_echo: bool = False
) -> MessageView:
    is_whole = is_open and not is_echo
    found = blocks(message, names, Wish(wish.limit if is_whole else BRIEF, wish.is_rendered, wish.room))
    return MessageView(
        role=message.role,
        at=at,
        blocks=found,
        summary=summary_of(message),
        size=sum(block.size for block in found),
        is_echo=is_echo,
        is_open=is_whole and message.role not in ("system", "developer"),
    )


def _outlines(messages: Sequence[InputMessage]) -> tuple[Outline, ...]:
    return tuple([Outline(message.role, summary_of(message)) for message in messages[-_OUTLINED:]])


def summary_of(message: InputMessage) -> str:
    """The message on one line: its calls by their names, else the beginning of its text."""
    texts = [text_of(part) for part in message.parts if isinstance(part, TextPart)]
    calls = [part.name for part in message.parts if isinstance(part, ToolCallPart)]
    text = next((text for text in reversed(texts) if not is_reminder(text)), "")
    if not text and not calls:
        text = next((found for part in message.parts if (found := text_of(part)).strip()), "")
    called = f"→ {', '.join(calls)}" if calls else ""
    return " ".join([word for word in (excerpt(text, _SUMMARY) if text.strip() else "", called) if word])


def _lines(message: InputMessage) -> list[str]:
    return [line for part in message.parts for line in text_of(part).split("\n")]


def _is_echo(message: InputMessage, answer: ReadAnswer) -> bool:
    if not answer.choices:
        return False
    given = answer.choices[0]
    calls = [part.id for part in given.parts if isinstance(part, ToolCallPart)]
    sent = [part.id for part in message.parts if isinstance(part, ToolCallPart)]
    text = "".join([part.text for part in message.parts if isinstance(part, TextPart)])
    return calls == sent and text.strip() == given.text.strip()


def _tools(tools: Sequence[ToolDefinition], found: Changes | None) -> tuple[ToolView, ...]:
    return tool_views(tools, frozenset() if found is None else frozenset((*found.tools_added, *found.tools_changed)))


def _tools_news(found: Changes | None) -> str:
    if found is None:
        return ""
    news = (("added", found.tools_added), ("removed", found.tools_removed), ("changed", found.tools_changed))
    return "; ".join([f"{what}: {', '.join(names)}" for what, names in news if names])


def _gist(answer: ReadAnswer) -> str:
    if answer.error is not None:
        return f"error: {excerpt(answer.error, _SUMMARY)}"
    choice = answer.choices[0] if answer.choices else ReadChoice()
    calls = [part.name for part in choice.parts if isinstance(part, ToolCallPart)]
    text = excerpt(choice.text, _SUMMARY) if choice.text.strip() else ""
    called = f"→ {', '.join(calls)}" if calls else ""
    return " ".join([word for word in (text, called) if word]) or excerpt(answer.plain, _SUMMARY)


def cache_miss_of(recording: Recording) -> CacheMiss | None:
    """Why a prompt was not read from a provider's cache that had it, with what is known of the loss."""
    for moment in (*recording.moments, *_events(recording)):
        if moment.name == Event.CACHE_MISSED:
            get = moment.attributes.get
            lost, cost = get(Attribute.CACHE_MISS_LOST_TOKENS), get(Attribute.CACHE_MISS_COST)
            return CacheMiss(
                cause=str(get(Attribute.CACHE_MISS_CAUSE) or recording.entry.cache_miss or "provider"),
                by=str(get(Attribute.CACHE_MISS_BY) or ""),
                block=str(get(Attribute.CACHE_MISS_BLOCK) or ""),
                lost_tokens=lost if isinstance(lost, int) else None,
                cost_usd=cost if isinstance(cost, float) else None,
            )
    cause = recording.entry.cache_miss
    return None if cause is None else CacheMiss(cause=cause)


def _events(recording: Recording) -> list[Moment]:
    return [event for span in recording.spans for event in span.events]

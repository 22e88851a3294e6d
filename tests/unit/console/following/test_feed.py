"""The feed of a conversation over a socket: what is under way, what was recorded before, and what comes after it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from msgspec.structs import replace

from app.console import Console, ConsoleServer
from app.live_view.console_client import ConsoleClient, Refused
from app.live_view.speech import ConversationFound, Speech, SpeechEvent, TurnBegan, TurnEnded, decode_event
from app.recorder.capture import TransactionUnderWay
from app.recorder.recorder import Recorder, open_recorder
from app.recorder.recording import Piece
from app.settings import ConsoleSettings, RecorderSettings, Settings
from telemetry import setup
from tests.support import run
from tests.unit.console.following.test_follower import ANSWER, FIRST, SECOND, body, under_way_now
from tests.unit.recorder.built import recording

SETTINGS = replace(Settings(), console=ConsoleSettings(port=0))


class Fixture:
    """A console with a store, and transactions under way as a test wants them."""

    def __init__(self, recorder: Recorder | None) -> None:
        self.store = None if recorder is None else recorder.store
        self.open: list[TransactionUnderWay] = []
        self.server = ConsoleServer(Console(SETTINGS, setup(), recorder, capture=self))

    def under_way(self, of: str | None = None) -> Sequence[TransactionUnderWay]:
        return tuple(one for one in self.open if of in (None, one.conversation or one.transaction_id))

    async def events(self, conversation: str, count: int) -> list[SpeechEvent]:
        """The first so many events."""
        found: list[SpeechEvent] = []
        async for event in ConsoleClient(self.server.url, None).events(f"/live/conversations/{conversation}"):
            found.append(decode_event(event.data))
            if len(found) == count:
                break
        return found


@pytest.fixture
def console() -> Iterator[Fixture]:
    recorder = open_recorder(RecorderSettings(store="memory"))
    assert recorder is not None
    found = Fixture(recorder)
    with closing(recorder), closing(found.server):
        yield found


def kinds(events: Sequence[SpeechEvent]) -> list[str]:
    return [event.kind if isinstance(event, Speech) else type(event).__name__ for event in events]


def test_the_last_turns_come_first_and_then_what_is_under_way(console: Fixture) -> None:
    assert console.store is not None
    before = recording(request=body(FIRST), answer=(Piece(1.0, ANSWER),), outcome="ok", conversation="c1")
    console.store.write([before])
    console.open = [under_way_now(body(SECOND), [Piece(1.0, ANSWER[:200])], transaction_id="txn_2", started_at=1100.0)]
    spoken = ["note", "text", "thinking", "text", "call", "TurnEnded"]
    expected = ["ConversationFound", "TurnBegan", *spoken, "TurnBegan", "result", "thinking"]
    for wanted in ("c1", "latest"):
        events = run(console.events(wanted, len(expected)))
        assert kinds(events) == expected
        assert events[0] == ConversationFound(conversation="c1")


def test_a_turn_is_told_of_to_its_end_once_it_is_recorded(console: Fixture) -> None:
    store = console.store
    assert store is not None
    console.open = [under_way_now(body(FIRST), [Piece(1.0, ANSWER[:-200])])]

    async def main() -> list[SpeechEvent]:
        found: list[SpeechEvent] = []
        async for event in ConsoleClient(console.server.url, None).events("/live/conversations/latest"):
            found.append(decode_event(event.data))
            if isinstance(found[-1], TurnBegan):
                console.open = []
                ended = recording(request=body(FIRST), answer=(Piece(1.0, ANSWER),), outcome="ok", conversation="c1")
                await asyncio.to_thread(store.write, [ended])
            if isinstance(found[-1], TurnEnded):
                break
        return found

    events = run(main())
    assert kinds(events).count("TurnBegan") == 1
    assert kinds(events)[-2:] == ["call", "TurnEnded"]


def test_a_conversation_that_nobody_knows_and_a_recorder_that_is_off_are_refused(console: Fixture) -> None:
    with pytest.raises(Refused, match="nothing is recorded of this conversation"):
        run(console.events("nobody", 1))
    without = Fixture(None)
    with closing(without.server), pytest.raises(Refused, match="recorder: memory"):
        run(without.events("latest", 1))

"""Conversations, transactions and policies in a real Chromium: what was recorded is shown and does nothing, a
conversation grows while one looks, and all of it can be read without a script and without a mouse."""

from collections.abc import Iterator, Sequence

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from app.console import Console, ConsoleServer
from app.recorder.capture import TransactionUnderWay
from app.recorder.recorder import Recorder, open_recorder
from app.recorder.recording import Recording
from app.settings import ConsoleSettings, Port, RecorderSettings, Settings
from telemetry import setup
from tests.agent_recordings import CONVERSATION, agents_conversation, hostile_recording, recording, text, user
from tests.real.chromium import Visit, chromium

pytestmark = pytest.mark.timeout(180)

TURNS = f"/conversations/{CONVERSATION}"
LAST = f"/transactions/txn_{9:024x}"


class UnderWay:
    """Transactions that are under way as long as a test says so."""

    def __init__(self) -> None:
        self.transactions: list[TransactionUnderWay] = []

    def under_way(self, of: str | None = None) -> Sequence[TransactionUnderWay]:
        return [one for one in self.transactions if of in (None, one.conversation or one.transaction_id)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = open_recorder(RecorderSettings(store="memory"))
    assert made is not None
    made.store.write([*agents_conversation(), replace(hostile_recording(), version=1)])
    yield made
    made.close()


@pytest.fixture
def under_way() -> UnderWay:
    return UnderWay()


@pytest.fixture
def console(recorder: Recorder, under_way: UnderWay) -> Iterator[ConsoleServer]:
    settings = Settings(console=ConsoleSettings(port=Port(0)))
    server = ConsoleServer(Console(settings, setup(), recorder, (), under_way))
    yield server
    server.close()


@pytest.fixture
def visit(browser: Browser, console: ConsoleServer) -> Iterator[Visit]:
    made = Visit(browser, console.url)
    yield made
    made.close()


def _growing(whole: Recording, pieces: int) -> TransactionUnderWay:
    entry = whole.entry
    return TransactionUnderWay(
        transaction_id=entry.transaction_id,
        trace_id=entry.trace_id,
        started_at=entry.started_at,
        seconds=1.5,
        api=entry.api,
        model=entry.model,
        stream=True,
        key=entry.key,
        conversation=CONVERSATION,
        agent=None,
        request=whole.request,
        answer=whole.answer[:pieces],
    )


def test_hostile_recordings_do_nothing_and_fetch_nothing(visit: Visit) -> None:
    hostile = hostile_recording().entry.transaction_id
    paths = [TURNS, LAST, f"{LAST}/events", f"/policies?transaction={hostile}"]
    paths += [f"/transactions/{hostile}{part}" for part in ("", "/events", "/curl", "/texts/request/1/0", "?texts=raw")]
    paths.append(f"/conversations/{hostile}")
    for path in paths:
        page = visit.open(path)
        for summary in page.locator("summary:visible").all()[:12]:
            summary.click()
        assert visit.violations() == [], path
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), f"{path} is too wide"
    assert visit.hosts == {visit.url}
    assert visit.complaints == []


def test_a_narrow_screen_needs_no_scrolling_aside(browser: Browser, console: ConsoleServer) -> None:
    visit = Visit(browser, console.url, viewport={"width": 390, "height": 800})
    for path in (TURNS, LAST, f"{LAST}/events", "/policies"):
        page = visit.open(path)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), f"{path} is too wide"
    visit.close()


def test_a_conversation_grows_while_one_looks(visit: Visit, recorder: Recorder, under_way: UnderWay) -> None:
    page = visit.open(TURNS)
    expect(page.locator("article.turn")).to_have_count(9)
    page.locator("article.turn").first.locator("summary").first.click()
    unfolded = page.locator("article.turn").first.locator("details[open]").count()
    new = recording(10, [user(text("And the header?"))], [text("The header has no year in it.")])
    new = replace(new, entry=replace(new.entry, conversation=CONVERSATION))
    under_way.transactions = [_growing(new, 5)]
    expect(page.locator(".growing")).to_contain_text("And the header?", timeout=10_000)
    expect(page.locator(".growing")).to_contain_text("The header has")
    under_way.transactions = []
    recorder.store.write([new])
    expect(page.locator(f"#turn-{new.entry.transaction_id}")).to_be_visible(timeout=10_000)
    expect(page.locator(".growing")).to_have_count(0)
    page.wait_for_timeout(1500)
    assert page.locator("article.turn").count() == 10
    assert page.locator("article.turn").first.locator("details[open]").count() == unfolded
    assert visit.complaints == []


def test_without_a_script_all_of_it_can_be_read_and_tried(browser: Browser, console: ConsoleServer) -> None:
    visit = Visit(browser, console.url, java_script_enabled=False)
    page = visit.open(TURNS)
    expect(page.locator("article.turn")).to_have_count(9)
    before = page.locator("details.before").first
    before.locator("summary").click()
    expect(before.locator("li").first).to_be_visible()
    visit.open(f"/policies?transaction=txn_{9:024x}")
    page.fill("#policies", "- use: redact\n  config:\n    custom: {FILE: footer}\n")
    page.get_by_role("button", name="Try").click()
    expect(page.locator("#request .added").first).to_contain_text("[FILE]")
    visit.close()


def test_the_keyboard_unfolds_and_follows(visit: Visit) -> None:
    page = visit.open(TURNS)
    summary = page.locator("details.before summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert summary.locator("xpath=..").get_attribute("open") is not None
    page.locator(".turn-list a").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.url.endswith(f"#turn-txn_{4:024x}")
    page.locator("article .figures a").nth(3).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/transactions/txn_{4:024x}")

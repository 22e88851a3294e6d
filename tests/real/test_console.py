"""The console in a real Chromium: it keeps to itself, strangers' texts do nothing, and it needs neither mouse nor
script."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, expect

from app.console import Console, ConsoleServer
from app.recorder.recorder import Recorder
from app.recorder.recording import Body, Recording
from app.settings import ConsoleSettings, Port
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.real.chromium import Visit, chromium
from tests.unit.console.recordings import entry, recorder_with

pytestmark = pytest.mark.timeout(180)

HOSTILE = (
    '"><script>alert(1)</script><img src="https://evil.example/x.png" onerror="alert(2)"><a href="javascript:alert(3)">'
    "<style>*{display:none}</style><base href=https://evil.example>{{7*191}}\x1b[2J\x1b]52;c;aGk=\x07\u202etxt.exe\x00"
)
HUGE = "<b onmouseover=alert(4)>" + "all work and no play " * 500_000
TOKEN = "token-0123456789abc"
_MOST_PAGES = 60


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated("lorem-8", "status-500"))) as running:
        yield running


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    strangers = dict.fromkeys(
        ("model", "title", "key", "team", "agent", "error_type", "deployment", "pinned", "path"), HOSTILE
    )
    entries = [entry(number) for number in range(70)]
    entries.append(entry(80, **strangers, transaction_id=f"txn{HOSTILE}", conversation=f"c{HOSTILE}"))
    entries.append(entry(81, agent="scout", parent_agent=HOSTILE, conversation=f"c{HOSTILE}"))
    entries.append(entry(82, title=HUGE, conversation="huge"))
    made = recorder_with(entries)
    yield made
    made.close()


@pytest.fixture(scope="module")
def console(gateway: RunningGateway, recorder: Recorder) -> Iterator[ConsoleServer]:
    settings = replace(gateway.settings, console=ConsoleSettings(port=Port(0)))
    server = ConsoleServer(Console(settings, gateway.telemetry, recorder, ("redact",)))
    yield server
    server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, console: ConsoleServer) -> Iterator[Visit]:
    made = Visit(browser, console.url)
    yield made
    made.close()


def ask(gateway: RunningGateway, model: str = "lorem-8") -> None:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=30)


def test_every_page_that_is_linked_keeps_to_itself_and_runs_nobody_elses_script(
    visit: Visit, gateway: RunningGateway
) -> None:
    ask(gateway)
    ask(gateway, "status-500")
    waiting, seen = ["/", "/login", "/nothing"], set[str]()
    while waiting and len(seen) < _MOST_PAGES:
        path = waiting.pop(0)
        seen.add(path)
        page = visit.open(path)
        page.mouse.move(300, 300)
        for summary in page.locator("summary").all()[:5]:
            summary.click()
        page.wait_for_timeout(100)
        assert visit.violations() == [], path
        assert "1337" not in page.locator("main").inner_text(), path
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), f"{path} is too wide"
        links = [
            urljoin(page.url, link.get_attribute("href") or "")
            for link in page.locator("a[href]:not([download])").all()
        ]
        local = [urlsplit(link) for link in links if link.startswith(visit.url)]
        assert len(local) == len(links), path
        for link in local:
            address = f"{link.path}?{link.query}" if link.query else link.path
            if address not in seen and address not in waiting:
                waiting.append(address)
    assert len(seen) > 10
    assert visit.hosts == {visit.url}
    assert [one for one in visit.complaints if "404 (Not Found)" not in one] == []


def test_flow_moves_by_itself_and_leaves_the_focus(visit: Visit, gateway: RunningGateway) -> None:
    page = visit.open("/")
    ask(gateway)
    before = gateway.telemetry.snapshot().opened
    expect(page.locator("#head")).to_contain_text(f"{before} requests")
    page.locator("#moments a").first.focus()
    held = visit.focused("element => element.closest('li').id")
    for _ in range(3):
        ask(gateway)
    expect(page.locator("#head")).to_contain_text(f"{before + 3} requests")
    assert visit.focused("element => element.closest('li')?.id") == held


def test_a_list_follows_but_not_under_the_hand_of_its_reader(visit: Visit, recorder: Recorder) -> None:
    page = visit.open("/transactions")
    page.wait_for_function("document.querySelector('[sse-connect]')")
    number = 1000

    def record(number: int) -> None:
        recorder.store.write([Recording(entry=entry(number), request=Body())])

    record(number)
    expect(page.locator(f"#t-txn_{number:06d}")).to_be_visible(timeout=10_000)
    page.locator("#list tbody tr").nth(3).hover()
    record(number + 1)
    expect(page.locator("#news a")).to_be_visible(timeout=10_000)
    assert page.locator(f"#t-txn_{number + 1:06d}").count() == 0
    page.mouse.move(5, 5)
    expect(page.locator(f"#t-txn_{number + 1:06d}")).to_be_visible(timeout=10_000)
    expect(page.locator("#news a")).to_be_hidden()


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    page = visit.open("/transactions")
    press = page.keyboard.press
    press("Tab")
    assert visit.focused("element => element.textContent") == "Skip to the content"
    assert visit.focused("element => getComputedStyle(element).outlineStyle") == "solid"
    press("Enter")
    assert visit.focused("element => element.id") == "main"
    press("/")
    assert visit.focused("element => element.id") == "q"
    page.keyboard.type("question 7")
    press("Enter")
    page.wait_for_url("**/transactions?*q=question*")
    focused: list[str] = []
    for _ in range(40):
        press("Tab")
        focused.append(str(visit.focused("element => element.getAttribute('href') || element.value || element.name")))
        assert visit.focused("element => element.matches(':focus-visible')")
        if focused[-1].startswith("/transactions/"):
            break
    press("Enter")
    page.wait_for_url("**/transactions/txn_*")
    assert {"/", "/conversations", "light", "model", "outcome", "since"} <= set(focused)


def test_without_a_script_pages_are_whole(browser: Browser, console: ConsoleServer) -> None:
    visit = Visit(browser, console.url, java_script_enabled=False)
    page = visit.open("/transactions")
    assert page.locator("#list tbody tr").count() == 50
    page.locator("a[rel=next]").click()
    assert "after=" in visit.path
    page.locator("a.button", has_text="Newest").click()
    page.locator("#q").fill("question 7")
    page.locator("#outcome").select_option("ok")
    page.get_by_role("button", name="Show").click()
    assert page.locator("#list tbody tr").count() >= 1
    page.get_by_role("button", name="dark").click()
    assert visit.path.startswith("/transactions?q=question")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    visit.open("/conversations")
    page.locator("summary").first.click()
    assert page.get_by_role("link", name="What they said").first.is_visible()
    visit.open("/")
    assert page.locator("#way li").count() == 6
    visit.close()


def test_light_and_dark_are_the_systems_until_one_is_chosen(browser: Browser, console: ConsoleServer) -> None:
    def brightness(visit: Visit) -> int:
        colour = visit.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])

    for scheme, is_light in (("light", True), ("dark", False)):
        visit = Visit(browser, console.url, color_scheme=scheme)
        visit.open("/")
        assert (brightness(visit) > 380) is is_light
        visit.page.get_by_role("button", name="dark" if is_light else "light").click()
        visit.page.wait_for_load_state()
        assert (brightness(visit) > 380) is not is_light
        visit.close()


def test_signing_in_with_the_token(browser: Browser, gateway: RunningGateway) -> None:
    settings = replace(gateway.settings, console=ConsoleSettings(port=Port(0), token=TOKEN))
    server = ConsoleServer(Console(settings, gateway.telemetry))
    visit = Visit(browser, server.url)
    try:
        page = visit.open("/transactions?model=chat")
        assert visit.path.startswith("/login?next=")
        page.keyboard.type("not the token")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url("**/transactions?model=chat")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        visit.open("/")
        assert visit.path.startswith("/login")
        assert visit.violations() == []
    finally:
        visit.close()
        server.close()

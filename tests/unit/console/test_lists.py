"""The lists: what stands in them, their filters, their pages, and what they say where there is nothing."""

import re
from collections.abc import Iterator

import pytest

from app.console.agents import agent_tree
from app.recorder.recorder import Recorder
from app.recorder.recording import TokenCounts
from tests.unit.console.browser import Browser
from tests.unit.console.recordings import entry, recorder_with

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202etxt.exe'


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    entries = [entry(number, model=("chat", "claude")[number % 2]) for number in range(120)]
    entries.append(entry(200, outcome="upstream_error", error_type="cut_off", status=502, pinned="a stream failed"))
    entries.append(entry(201, intervened=True, cost_usd=0.75, key="alice", conversation="c-1", agent="scout"))
    entries.append(entry(202, conversation="c-1", tokens=TokenCounts(input=10, cache_read=90, output=5)))
    made = recorder_with(entries)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser(recorder: Recorder) -> Browser:
    return Browser(recorder)


def _listed(page: str) -> list[str]:
    return re.findall(r'<tr id="t-(\w+)"', page)


@pytest.mark.parametrize("path", ["/conversations", "/transactions"])
def test_without_a_recorder_a_list_says_how_to_turn_it_on(path: str) -> None:
    page = Browser().get(path)
    assert page.status_code == 200
    assert "recorder: memory" in page.text


@pytest.mark.parametrize("path", ["/conversations", "/transactions"])
def test_an_empty_list_says_why(path: str, browser: Browser) -> None:
    empty = recorder_with([])
    assert "Nothing yet" in Browser(empty).get(path).text
    empty.close()
    assert "Nothing fits" in browser.get(path + "?model=none-of-this-name").text


def test_pages_follow_each_other_without_gap_and_repetition(browser: Browser) -> None:
    seen: list[str] = []
    path: str | None = "/transactions?model=chat"
    while path is not None:
        page = browser.get(path).text
        seen += _listed(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert seen == [f"txn_{number:06d}" for number in (202, 201, 200, *range(118, -1, -2))]


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("outcome=upstream_error", ["txn_000200"]),
        ("outcome=failures", ["txn_000200"]),
        ("pinned=1", ["txn_000200"]),
        ("intervened=1", ["txn_000201"]),
        ("cost=0.5", ["txn_000201"]),
        ("key=alice", ["txn_000201"]),
        ("conversation=c-1", ["txn_000202", "txn_000201"]),
        ("conversation=c-1&agent=scout", ["txn_000201"]),
        ("q=txn_000007", ["txn_000007"]),
        ("q=question+119", ["txn_000119"]),
    ],
)
def test_the_address_of_a_list_is_what_it_shows(browser: Browser, query: str, listed: list[str]) -> None:
    page = browser.get(f"/transactions?{query}")
    assert _listed(page.text) == listed
    for name, value in (pair.split("=") for pair in query.split("&")):
        field = re.search(rf'name="{name}"[^>]*(value="{value.replace("+", " ")}"|checked)', page.text)
        assert field or f'value="{value}" selected' in page.text


def test_a_field_that_cannot_be_read_is_a_fault_beside_the_form(browser: Browser) -> None:
    page = browser.get("/transactions?cost=much")
    assert page.status_code == 400
    assert "The cost is a number of dollars" in page.text
    assert 'value="much"' in page.text


def test_conversations_are_summed_up_and_lead_on(browser: Browser) -> None:
    page = browser.get("/conversations?conversation=c-1").text
    assert len(re.findall(r'<tr id="c-', page)) == 1
    assert 'href="/conversations/c-1"' in page
    assert "1 × policy" in page


def test_what_marks_a_transaction_is_told(browser: Browser) -> None:
    page = browser.get("/transactions?outcome=upstream_error").text
    assert "pinned" in page
    assert "cut_off" in page
    assert "502" in page


def test_an_open_list_follows_and_an_older_page_stays(browser: Browser) -> None:
    newest = browser.get("/transactions").text
    assert 'sse-connect="/recordings/events?seen=123-' in newest
    older = re.search(r'rel="next" href="([^"]+)"', newest)
    assert older
    assert "sse-connect" not in browser.get(older[1].replace("&amp;", "&")).text


def test_hostile_names_are_inert() -> None:
    hostile = recorder_with(
        [
            entry(
                transaction_id=HOSTILE,
                model=HOSTILE,
                title=HOSTILE,
                key=HOSTILE,
                conversation=HOSTILE,
                agent=HOSTILE,
                error_type=HOSTILE,
                pinned=HOSTILE,
                deployment=HOSTILE,
            ),
            entry(1, conversation=HOSTILE, agent="other", parent_agent=HOSTILE),
        ]
    )
    browser = Browser(hostile)
    for path in ("/transactions", "/conversations", f"/transactions?q={'%22%3E%3Cscript%3E'}&model=%22%3E%3Cb%3E"):
        page = browser.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page.replace('<img src="/static', "")
        assert not re.search("[\x1b\u202e]", page)
    agents = re.search(r'hx-get="(/agents[^"]+)"', browser.get("/conversations").text)
    assert agents
    tree = browser.get(agents[1]).text
    assert "<script>" not in tree
    assert "other" in tree
    hostile.close()


def test_agents_stand_below_those_that_called_them() -> None:
    entries = [
        entry(1),
        entry(2, agent="scout"),
        entry(3, agent="reader", parent_agent="scout", outcome="timeout"),
        entry(4, agent="scout", cost_usd=0.5),
        entry(5, agent="stray", parent_agent="gone"),
        entry(6, agent="a", parent_agent="b"),
        entry(7, agent="b", parent_agent="a"),
    ]
    tree = [(agent.name, agent.depth, agent.turns, agent.failures) for agent in agent_tree(entries[::-1])]

    assert tree == [
        ("", 0, 1, 0),
        ("scout", 1, 2, 0),
        ("reader", 2, 1, 1),
        ("stray", 0, 1, 0),
        ("a", 0, 1, 0),
        ("b", 0, 1, 0),
    ]

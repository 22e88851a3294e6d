"""The pages of conversations and transactions over ASGI: they show what was recorded, and hostile content is inert."""

import json
import re
import time
from typing import Any

import pytest
from msgspec.structs import replace

from app.recorder.bundles import decode_bundle
from app.recorder.recorder import open_recorder
from app.recorder.recording import Body, Intervention, Piece, RecordedAttempt, Recording
from app.settings import RecorderSettings
from app.settings.units import ByteSize
from tests.agent_recordings import CONVERSATION, agents_conversation, hostile_recording, recording, text, user
from tests.unit.console.browser import Browser

_FORBIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\x00\x1b\ud800-\udfff\U000e0000-\U000e0fff]")


def _browser(*recordings: Recording) -> Browser:
    recorder = open_recorder(RecorderSettings(store="memory", memory=ByteSize(256 * 1024**2)))
    assert recorder is not None
    recorder.store.write(recordings)
    return Browser(recorder)


@pytest.fixture(scope="module")
def browser() -> Browser:
    return _browser(*agents_conversation())


def _assert_inert(html: str) -> None:
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=\"|javascript:", html)
    assert "<img src=x" not in html
    assert not _FORBIDDEN.search(html)


def test_a_conversation_shows_its_turns_and_who_speaks(browser: Browser) -> None:
    page = browser.get(f"/conversations/{CONVERSATION}")

    assert page.status_code == 200
    assert page.text.count('<article class="turn') == 9
    assert "agent_7c1d" in page.text
    assert "its system prompt changed" in page.text
    assert "2 messages as before" in page.text
    assert "The answer ends here, without its own end." in page.text
    _assert_inert(page.text)


def test_a_conversation_may_be_confined_to_one_agent(browser: Browser) -> None:
    child = browser.get(f"/conversations/{CONVERSATION}?agent=agent_7c1d").text
    main = browser.get(f"/conversations/{CONVERSATION}?agent=").text

    assert (child.count('<article class="turn'), main.count('<article class="turn')) == (2, 7)


def test_a_transaction_says_what_is_masked_and_on_whose_account_it_is_pinned() -> None:
    made = recording(1, [user(text("hello"))], [text("hi")])
    judged = replace(
        made,
        entry=replace(made.entry, pinned="before txn_0123: a stream of east failed"),
        concealed=("redact",),
        interventions=(Intervention("redact", "on_request", "redacted", 0.1),),
    )
    unjudged = replace(judged, interventions=(), entry=replace(made.entry, transaction_id="txn_unjudged"))
    browser = _browser(judged, unjudged)

    page = browser.get(f"/transactions/{made.entry.transaction_id}").text
    assert 'before <a href="/transactions/txn_0123">' in page
    assert "a stream of east failed</span>" in page
    assert "What redact took out is masked here." in page
    assert "redact took nothing out of this." in browser.get("/transactions/txn_unjudged").text


def test_a_long_conversation_comes_in_pages_that_know_what_was_before() -> None:
    history: list[dict[str, Any]] = []
    recordings = []
    for number in range(60):
        history = [*history, user(text(f"Question {number}"))]
        recordings.append(recording(number, history, [text(f"Answer {number}")]))
        history = [*history, {"role": "assistant", "content": [text(f"Answer {number}")]}]
    browser = _browser(*recordings)
    page = browser.get(f"/conversations/{CONVERSATION}").text
    (earlier,) = re.findall(r'href="([^"]*before=\d+)">Earlier', page)
    before = browser.get(earlier.replace("&amp;", "&")).text

    assert (page.count('<article class="turn'), before.count('<article class="turn')) == (20, 20)
    assert "Answer 59" in page
    assert "Begins anew" not in page + before
    assert "Latest turns" in before


def test_a_page_is_given_the_turns_that_it_does_not_have(browser: Browser) -> None:
    page = browser.get(f"/conversations/{CONVERSATION}?agent=").text
    (more,) = re.findall(r'hx-get="([^"]+)"', page)
    nothing = browser.get(more.replace("&amp;", "&")).text
    two = browser.get(f"/news/turns/{CONVERSATION}?known=7&agent=").text

    assert (nothing.count("<article"), two.count("<article")) == (0, 2)
    assert 'hx-get="/news/turns/' in nothing
    assert "known=9" in two
    assert "The same request once more." in two
    assert "Begins anew" not in two


@pytest.mark.parametrize("part", ["", "/events", "/events?side=provider-1", "/curl", "/texts/request/0/1"])
def test_a_transaction_has_its_pages(browser: Browser, part: str) -> None:
    page = browser.get(f"/transactions/txn_{8:024x}{part}")

    assert page.status_code == 200
    _assert_inert(page.text)


def test_a_transaction_is_explained_and_compared(browser: Browser) -> None:
    page = browser.get(f"/transactions/txn_{8:024x}").text

    assert "stopped sending after 12 events" in page
    assert "byte for byte" in page
    assert "req_011CTxyz" in page


@pytest.mark.parametrize(
    "path",
    [
        "/transactions/txn_nobody",
        "/transactions/txn_nobody.json",
        f"/transactions/txn_{8:024x}/events?side=nobody",
        f"/transactions/txn_{8:024x}/texts/request/99/0",
        f"/transactions/txn_{8:024x}/texts/answer/0/99",
        f"/transactions/txn_{8:024x}/raw/secrets",
        "/conversations/nobody",
        "/conversations/nobody.json",
    ],
)
def test_what_is_not_there_is_said_to_be_so(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_everything_is_exported_as_it_was(browser: Browser) -> None:
    recordings = agents_conversation()
    one = browser.get(f"/transactions/txn_{8:024x}.json")
    every = browser.get(f"/conversations/{CONVERSATION}.json")
    raw = browser.get(f"/transactions/txn_{8:024x}/raw/answer-1")

    assert decode_bundle(one.content, "bundle") == (recordings[7],)
    assert list(decode_bundle(every.content, "bundle")) == recordings
    assert raw.content == b"".join(piece.data for piece in recordings[7].attempts[0].answer)
    assert raw.headers["content-disposition"].startswith("attachment")


def test_a_transaction_of_no_conversation_is_one_of_its_own() -> None:
    alone = replace(agents_conversation()[1], entry=replace(agents_conversation()[1].entry, conversation=None))
    page = _browser(alone).get(f"/conversations/{alone.entry.transaction_id}")

    assert page.text.count('<article class="turn') == 1


@pytest.mark.parametrize("view", ["", "?texts=raw"])
def test_hostile_texts_are_inert(view: str) -> None:
    hostile = hostile_recording()
    browser = _browser(hostile)
    id = hostile.entry.transaction_id
    pages = [f"/transactions/{id}{view}", f"/conversations/{id}{view}", f"/transactions/{id}/events?side=provider-1"]
    pages += [f"/transactions/{id}/texts/request/1/0", f"/transactions/{id}/events", f"/transactions/{id}/curl"]

    for path in pages:
        page = browser.get(path)
        assert page.status_code == 200
        _assert_inert(page.text)
        assert "alert(1)" in page.text


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\xff\xfe\x00\x01", b"\x00\x01\x02" * 100),
        (b"{" * 100_000, b"data: {" + b"[" * 100_000 + b"\n\n"),
        (b'{"model": "m", "messages": "no"}', b"<html>Bad gateway</html>"),
        (
            json.dumps({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "\ud800"}]}).encode(),
            b"",
        ),
        (b"", b'data: {"type": "content_block_delta", "index": 9}\n\n'),
    ],
    ids=["binary", "deep", "odd", "half", "empty"],
)
def test_a_body_of_any_kind_has_a_page(data: bytes, answer: bytes) -> None:
    base = recording(1, [user(text("x"))], [text("y")])
    (attempt,) = base.attempts
    odd = replace(
        base,
        request=Body(data=data, size=len(data)),
        attempts=(replace(attempt, request=Body(data=data), answer=(Piece(0.1, answer),)),),
        answer=(Piece(0.1, answer),),
    )
    browser = _browser(odd)
    for path in ("/transactions/{}", "/conversations/{}", "/transactions/{}/events", "/transactions/{}/curl"):
        page = browser.get(path.format(odd.entry.transaction_id))
        assert page.status_code == 200
        _assert_inert(page.text)


def test_a_text_of_ten_megabytes_makes_no_page_of_ten_megabytes() -> None:
    large = recording(1, [user(text("long line " * 1_000_000))], [text("x" * 200_000)])
    browser = _browser(large)
    id = large.entry.transaction_id
    began = time.process_time()
    page, turns = browser.get(f"/transactions/{id}"), browser.get(f"/conversations/{id}")
    whole = browser.get(f"/transactions/{id}/texts/request/1/0?page=49")

    assert len(page.content) + len(turns.content) < 1_000_000
    assert "Show all 10,000,000 characters" in page.text
    assert "page 50 of 50" in whole.text
    assert time.process_time() - began < 10


def _tried(browser: Browser, number: int, chain: str) -> str:
    page = browser.post("/policies", {"transaction": f"txn_{number:024x}", "policies": chain})
    _assert_inert(page.text)
    return page.text


def test_policies_offers_what_was_recorded_and_the_running_chain(browser: Browser) -> None:
    page = browser.get(f"/policies?transaction=txn_{9:024x}").text

    assert f'value="txn_{9:024x}"' in page
    assert page.count("<option") == 9


def test_a_transaction_through_the_same_policies_is_the_same(browser: Browser) -> None:
    page = _tried(browser, 9, "[]")

    assert page.count("the same as then") == 2
    assert "No word of it is changed on its way to the provider" in page
    assert "No word of it is changed on its way to the client" in page


def test_a_transaction_through_other_policies_shows_what_they_change(browser: Browser) -> None:
    chain = "- use: redact\n  config:\n    custom: {YEAR: New Year}\n"
    page = _tried(browser, 9, chain)

    assert "another request than then" in page
    assert "another answer than then" in page
    assert page.count('<div class="added">') >= 2


@pytest.mark.parametrize(
    ("number", "chain", "reason"),
    [
        (99, "[]", "is not recorded"),
        (9, "- use: os:system", "There is no policy"),
        (9, "- use: redact\n  config: {colour: red}", "colour"),
        (9, "- [", "This is not YAML"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_the_reason(
    browser: Browser, number: int, chain: str, reason: str
) -> None:
    page = browser.post("/policies", {"transaction": f"txn_{number:024x}", "policies": chain})

    assert page.status_code == 400
    assert reason in page.text
    assert "os:system" not in page.text or "textarea" in page.text


def _deep(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


_CALL = {"id": "c", "type": "function", "function": {"name": "n", "arguments": _deep(180)}}
_MANY = {f"argument {at}": "x" * 20 for at in range(50_000)}
_API = "openai_chat"
_BOMBS: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "assistant", "content": "**a** "}] * 6_000},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 30_000}]},
    "nested calls": {"messages": [{"role": "assistant", "tool_calls": [_CALL]}] * 1_000},
    "arguments": {
        "messages": [
            {"role": "assistant", "tool_calls": [{**_CALL, "function": {"name": "n", "arguments": json.dumps(_MANY)}}]}
        ]
    },
    "tools": {
        "messages": [user(text("hello"))],
        "tools": [
            {"type": "function", "function": {"name": f"t{at}", "description": "d" * 4_000}} for at in range(2_000)
        ],
    },
    "lines": {"messages": [{"role": "assistant", "content": "* a\n" * 3_000}] * 200},
}


@pytest.mark.parametrize("name", _BOMBS)
def test_a_request_of_thousands_of_parts_makes_a_page_that_a_browser_shows(name: str) -> None:
    body = json.dumps({"model": "m", **_BOMBS[name]}).encode()
    one = recording(0, [], [text("yes")])
    sent = RecordedAttempt(
        deployment="d",
        provider="p",
        model="m",
        began=0.0,
        ended=1.0,
        url="http://p/v1",
        api=_API,
        request=Body(data=body.replace(b"a", b"b"), size=len(body)),
    )
    entry = replace(one.entry, api=_API)
    browser = _browser(replace(one, entry=entry, request=Body(data=body, size=len(body)), attempts=(sent,)))
    began = time.monotonic()

    pages = [
        browser.get(path) for path in (f"/transactions/{one.entry.transaction_id}", f"/conversations/{CONVERSATION}")
    ]

    assert [page.status_code for page in pages] == [200, 200]
    assert max(len(page.content) for page in pages) < 3_000_000
    assert time.monotonic() - began < 8


def test_the_address_of_a_text_with_an_endless_number_is_not_found(browser: Browser) -> None:
    for path in (f"0/{'9' * 5_000}", f"{'9' * 5_000}/0", "-1/0"):
        assert browser.get(f"/transactions/txn_{9:024x}/texts/request/{path}").status_code == 404

"""The console over ASGI: what every page has, signing in, and errors as pages."""

import re

import pytest

from tests.unit.console.browser import Browser

TOKEN = "token-0123456789abc"
PAGES = ["/", "/conversations", "/transactions", "/nothing", "/login"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_keeps_to_itself(path: str) -> None:
    page = Browser().get(path)

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", page.text)
    assert not re.findall(r"""(?:src|href|action)=["'](?!/|#)""", page.text)


def test_what_a_page_loads_is_there_and_may_be_kept_for_ever() -> None:
    browser = Browser()
    loaded = re.findall(r'"(/static/[^"]+)"', browser.get("/").text)

    assert len(set(loaded)) >= 5
    for path in set(loaded):
        asset = browser.get(path)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
    assert browser.get("/static/../../pages.py").status_code == 404
    assert browser.get("/static/console.css").status_code == 404


def test_signing_in_gives_a_session_and_leads_back() -> None:
    browser = Browser(token=TOKEN)
    refused = browser.get("/transactions?model=a")
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Ftransactions%3Fmodel%3Da")
    form = browser.get(refused.headers["location"])
    assert 'value="/transactions?model=a"' in form.text

    wrong = browser.post("/login", {"token": "guess", "next": "/"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    right = browser.post("/login", {"token": TOKEN, "next": "/transactions?model=a"})
    assert (right.status_code, right.headers["location"]) == (303, "/transactions?model=a")
    session = right.headers["set-cookie"]
    assert "HttpOnly" in session
    assert "SameSite=strict" in session
    assert TOKEN not in session
    assert "Secure" not in session
    assert browser.get("/transactions", cookie=session.partition(";")[0]).status_code == 200
    behind_tls = browser.post("/login", {"token": TOKEN}, host="c.example", origin="https://c.example")
    assert "Secure" in behind_tls.headers["set-cookie"]
    assert browser.post("/login", {"token": TOKEN, "next": "//evil.example"}).headers["location"] == "/"


def test_programs_are_told_by_status() -> None:
    browser = Browser(token=TOKEN)
    refused = browser.get("/flow/events", accept="text/event-stream")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert browser.get("/", authorization=f"Bearer {TOKEN}").status_code == 200
    missing = browser.get("/nothing", authorization=f"Bearer {TOKEN}", accept="application/json")
    assert (missing.status_code, missing.text) == (404, "There is no such page.")
    assert browser.get("/", authorization=f"Bearer {TOKEN}", host="console.example").status_code == 200


def test_another_site_gets_nothing() -> None:
    browser = Browser()
    rebound = browser.get("/", host="evil.example")
    assert (rebound.status_code, "evil.example" in rebound.text) == (403, False)
    assert browser.post("/theme", {"theme": "dark"}, origin="https://evil.example").status_code == 403
    assert Browser(allowed_hosts=("console.example",)).get("/", host="console.example").status_code == 200


def test_a_visitor_chooses_light_or_dark_without_a_script() -> None:
    browser = Browser()
    assert 'data-theme="auto"' in browser.get("/").text
    chosen = browser.post("/theme", {"theme": "dark", "back": "/transactions?model=a"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/transactions?model=a")
    assert 'data-theme="dark"' in browser.get("/", cookie=chosen.headers["set-cookie"].partition(";")[0]).text
    assert 'data-theme="auto"' in browser.get("/", cookie='flowspan_theme="><script>').text


def test_what_is_not_there_and_what_is_too_much_are_pages() -> None:
    browser = Browser()
    missing = browser.get("/nothing<b>")
    assert (missing.status_code, "There is no such page" in missing.text, "<b>" in missing.text) == (404, True, False)
    assert browser.post("/theme", {"theme": "x" * 2_000_000}).status_code == 413
    assert browser.ask("DELETE", "/transactions", headers={}).status_code == 405

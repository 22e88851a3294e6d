"""Chromium as a visitor of the console: what it asked for, what it refused, and what a page's scripts complained of.

The browser is the system's; playwright only drives it, and fetches none.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests.real.programs import need

_REPORT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
    violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


class Visit:
    """A tab of its own, with a profile of its own, which is empty."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.hosts: set[str] = set()
        """Whom the pages asked for anything."""
        self.complaints: list[str] = []
        """Errors of scripts, of the console and of the policy, and dialogs, which only a script of a stranger opens."""
        self._context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self._context.add_init_script(_REPORT_VIOLATIONS)
        self.page: Page = self._context.new_page()
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("dialog", self._opened_a_dialog)
        self.page.on("console", self._wrote)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def violations(self) -> list[str]:
        """What the policy of the page that is open kept it from."""
        return list(self.page.evaluate("window.violations"))

    @property
    def path(self) -> str:
        """Where the open page is, with its query."""
        parts = urlsplit(self.page.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def focused(self, script: str) -> Any:
        """What `script`, a function of the element that has the focus, returns."""
        return self.page.evaluate(f"({script})(document.activeElement)")

    def close(self) -> None:
        self._context.close()

    def _opened_a_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _wrote(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data":
            self.hosts.add(f"{parts.scheme}://{parts.netloc}")


@contextmanager
def chromium() -> Iterator[Browser]:
    program = need("chromium")
    # Root cannot have Chromium's sandbox, and what is looked at here is our own.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()

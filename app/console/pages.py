"""Templates to HTML. Whatever a template prints is escaped, and characters that nobody sees become visible signs."""

from http import HTTPStatus
from pathlib import Path
from time import time
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from app import figures
from app.console.assets import Assets
from app.console.queries import SPANS
from app.console.texts import excerpt
from app.console.visitors import cookie
from app.transcripts.differences import readable_json
from app.unseen import inert
from telemetry.names import NOT_A_FAULT, OUTCOME_LEVELS, WHERE
from telemetry.names.resource import VERSION

THEME_COOKIE = "flowspan_theme"
THEMES = ("auto", "light", "dark")
_FOLDER = Path(__file__).parent / "templates"
NAVIGATION = (
    ("/", "Flow"),
    ("/conversations", "Conversations"),
    ("/transactions", "Transactions"),
    ("/policies", "Policies"),
)
"""What leads to every page: address and name."""


class Pages:
    """Renders the templates of one console. Its visitors have to sign in, or need not."""

    def __init__(self, assets: Assets, *, have_to_sign_in: bool = False) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finalized,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(
            asset=assets.url,
            navigation=NAVIGATION,
            themes=THEMES,
            have_to_sign_in=have_to_sign_in,
            spans=SPANS,
            version=VERSION,
            where_names=WHERE,
        )
        self._environment.filters.update(
            duration=figures.duration,
            size=figures.size,
            number=figures.number,
            usd=figures.usd,
            percent=figures.percent,
            clock=figures.clock,
            iso=figures.iso,
            when=lambda at: figures.when(at, time()),
            excerpt=excerpt,
            tone=tone_of,
            json=lambda value: "\n".join(readable_json(value)),
        )

    def fragment(self, template: str, **values: Any) -> str:
        """A piece of a page, as HTML."""
        return self._environment.get_template(template).render(**values)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page; its template extends `base.html`."""
        theme = cookie(dict(request.headers), THEME_COOKIE)
        path = request.url.path
        here = path + (f"?{request.url.query}" if request.url.query else "")
        html = self.fragment(template, theme=theme if theme in THEMES else "auto", path=path, here=here, **values)
        return HTMLResponse(html, status)

    def error(self, request: Request, status: int, reason: str) -> Response:
        """A page that says in plain words what went wrong, or those words alone for who wants no page."""
        if not wants_page(request):
            return PlainTextResponse(reason, status)
        return self.page(request, "error.html", status, title=HTTPStatus(status).phrase, reason=reason)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, and not a program, or a page for a part of itself."""
    return "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers


def tone_of(outcome: str) -> str:
    """How an outcome is coloured: `good`, `plain`, `warning` or `bad`."""
    if outcome == "ok":
        return "good"
    level = next((level for name, level in OUTCOME_LEVELS.items() if name == outcome), "warning")
    if level == "error":
        return "bad"
    return "warning" if level == "warning" else ("plain" if outcome in NOT_A_FAULT else "dim")


def _finalized(value: object) -> object:
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value

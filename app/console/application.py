"""The console as an ASGI application: the table of its pages, and errors as pages."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from app.console import conversation, flow, lists, live, policies, transaction
from app.console.assets import PREFIX
from app.console.following import feed
from app.console.forms import fields_of
from app.console.guard import LOGIN, Guard
from app.console.pages import THEME_COOKIE, THEMES
from app.console.services import Console, console_of
from app.console.visitors import COOKIE, SESSION, local_path
from app.recorder.stores import StoreFailed

_YEAR = 365 * 24 * 3600


def make_app(console: Console) -> ASGIApp:
    """The application of one gateway's console."""
    app = Starlette(
        routes=[
            *flow.ROUTES,
            *live.ROUTES,
            *lists.ROUTES,
            *feed.ROUTES,
            *conversation.ROUTES,
            *transaction.ROUTES,
            *policies.ROUTES,
            Route(LOGIN, _login_form),
            Route(LOGIN, _login, methods=["POST"]),
            Route("/logout", _logout, methods=["POST"]),
            Route("/theme", _theme, methods=["POST"]),
            Route(PREFIX + "{path:path}", console.assets.response),
        ],
        exception_handlers={HTTPException: _refused, StoreFailed: _store_failed, Exception: _failed},
    )
    app.state.console = console
    return Guard(app, console.visitors, console.pages)


def _login_form(request: Request) -> Response:
    return _login_page(request, request.query_params.get("next", "/"))


async def _login(request: Request) -> Response:
    console, fields = console_of(request), await fields_of(request)
    wanted = fields.get("next", "/")
    if not console.visitors.is_token(fields.get("token", "")):
        return _login_page(request, wanted, "That is not the token.", 401)
    response = RedirectResponse(local_path(wanted), 303)
    # A browser tells the scheme that it used, which a proxy before the console may have taken off.
    is_secure = request.headers.get("origin", "").startswith("https://")
    response.set_cookie(COOKIE, console.visitors.session(), SESSION, httponly=True, samesite="strict", secure=is_secure)
    return response


def _login_page(request: Request, wanted: str, fault: str = "", status: int = 200) -> Response:
    return console_of(request).pages.page(request, "login.html", status, wanted=local_path(wanted), fault=fault)


async def _logout(request: Request) -> Response:
    response = RedirectResponse(LOGIN, 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


async def _theme(request: Request) -> Response:
    """Remember how the visitor wants to see the console, and lead back to where it was asked for."""
    fields = await fields_of(request)
    theme = fields.get("theme")
    response = RedirectResponse(local_path(fields.get("back", "/")), 303)
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, _YEAR, httponly=True, samesite="strict")
    return response


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = "There is no such page." if error.status_code == 404 and error.detail == "Not Found" else error.detail
    return console_of(request).pages.error(request, error.status_code, reason)


def _store_failed(request: Request, error: Exception) -> Response:
    return console_of(request).pages.error(request, 503, f"The recordings cannot be read: {error}")


def _failed(request: Request, error: Exception) -> Response:
    return console_of(request).pages.error(request, 500, "The page could not be made. The gateway's log says why.")

"""Stands before all pages: refuses who may not see them, and gives every response the headers that keep a page
by itself. No page loads or tells anything elsewhere, runs a script that is not the console's, or stands in a frame.
"""

import logging
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.console.assets import PREFIX
from app.console.pages import Pages, wants_page
from app.console.visitors import Refusal, Visitors

_log = logging.getLogger("flowspan")
LOGIN = "/login"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: with it a browser hides the origin of a form from the console itself, which has to check it.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_ONCE = ("authorization", "cookie", "host", "origin")
"""Headers of which a request may have one."""


class Guard:
    """The ASGI application before `app`."""

    def __init__(self, app: ASGIApp, visitors: Visitors, pages: Pages) -> None:
        self._app = app
        self._visitors = visitors
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refused(Request(scope))
        try:
            await (refused or self._app)(scope, receive, guarded)
        except Exception:
            # The visitor has got a page that says so.
            _log.exception("a page of the console failed: %s", scope["path"])

    def _refused(self, request: Request) -> Response | None:
        if any(len(request.headers.getlist(name)) > 1 for name in _ONCE):
            return self._response(request, Refusal(400, "A header of the request stands there twice."))
        refusal = self._visitors.refusal(request.method, dict(request.headers))
        if refusal is None or (refusal.may_sign_in and request.url.path.startswith((LOGIN, PREFIX))):
            return None
        return self._response(request, refusal)

    def _response(self, request: Request, refusal: Refusal) -> Response:
        if refusal.may_sign_in and wants_page(request):
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            response: Response = RedirectResponse(f"{LOGIN}?next={quote(wanted, safe='')}", 303)
        else:
            response = self._pages.error(request, refusal.status, refusal.reason)
        if refusal.status == 401:
            response.headers["www-authenticate"] = "Bearer"
        return response

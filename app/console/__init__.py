"""The console: pages for people, of what the gateway does now and of what was recorded.

server ......... `ConsoleServer`: a thread with an event loop of its own, so that no page holds up the gateway
application .... the ASGI application: routes, errors as pages
guard, visitors  who may see a page, and the headers that keep each page by itself
services ....... `Console`, what every page is made of; `console_of(request)` finds it
flow, lists .... pages: what happens now (`flow_picture`), what was recorded (`queries`, `agents`)
live ........... the gateway at this moment as JSON, for `flowspan watch`
pages .......... templates to HTML, with hostile text made inert
texts, figures . texts and numbers as people read them; pure
assets ......... style sheet, scripts and pictures, under names that change with their content
events ......... server-sent events, while somebody looks
forms .......... what a form sent, bounded

A page is a function of a request in a module of its own; `application` has the table of them. A page that reads the
store is a plain function, which Starlette runs in a thread: a store waits for its disk.
"""

from app.console.server import ConsoleServer
from app.console.services import Console

__all__ = ["Console", "ConsoleServer"]

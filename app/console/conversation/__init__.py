"""One conversation: its turns, each with what is new in it, what it cost and where its time went.

reading ... recordings -> turns; pure
page ...... the page, a bounded number of turns at a time
live ...... turns that end, and answers in progress, while somebody looks
"""

from app.console.conversation import live, page

ROUTES = [*live.ROUTES, *page.ROUTES]

__all__ = ["ROUTES"]

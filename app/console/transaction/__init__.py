"""One transaction: what was asked, what became of it on its way, and every byte of both sides with its time.

waterfall .. spans, attempts and pieces on one time axis; pure
sides ...... what the client sent and got, beside what the provider got and sent; pure
raw ........ events and bytes as they came, legible; pure
page ....... the page, and those that it leads to
"""

from app.console.transaction.page import ROUTES

__all__ = ["ROUTES"]

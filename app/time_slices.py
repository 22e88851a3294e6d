"""Long work on the event loop, cut into slices: between two slices of all those who work, the loop has a turn.

Who has much to do waits after each slice until everybody who waits already has had one. So a large text, or many of a
hostile caller, delay others by a slice each and no more.
"""

import asyncio

SLICE = 8_192
"""Characters that are worked on before others get their turn."""
_AT_LEAST = 64


def cost_of(text: str) -> int:
    """How many characters a text counts for: a short one takes time, too."""
    return max(len(text), _AT_LEAST)


class TimeSlices:
    """Given out one at a time to those who share them."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def next(self) -> None:
        """Wait for the next slice; to be called before each but the first, which may begin at once."""
        async with self._turn:
            await asyncio.sleep(0)

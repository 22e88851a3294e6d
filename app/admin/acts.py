"""What can be done to a running gateway, as values that go between threads and processes.

An act is a tagged struct, and its outcome plain data as JSON has it. A process performs acts on its own event loop;
where several serve together, the one that looks after them performs an act by having each of them perform it, and
merges what they give back.
"""

from typing import Any, Protocol

from msgspec import Struct

Outcome = dict[str, Any]


class Act(Struct, frozen=True, tag_field="act", tag=str.lower):
    """The base of all acts."""


class Refused(Exception):
    """The act cannot be performed; the text is for whoever asked."""


class Performer(Protocol):
    """Performs acts on the gateway: that of this process, or all that serve together."""

    async def perform(self, act: Act, actor: str) -> Outcome:
        """Do it, and say what became of it. `actor` is who asked, for the audit log. Raises Refused."""

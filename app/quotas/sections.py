"""When something leaves a window that looks back from now. Pure.

A window of 60 seconds is cut into sections of a second; section 5 is that from second 5 to second 6. It counts until 60
further sections have begun and ended.
"""

from collections.abc import Sequence

from app.quotas.rules import Sections

ASK_AGAIN = 1.0
"""Seconds after which to ask again where others have to end first."""
TRIFLE = 1e-9
"""Below what numbers count as the same."""


def wait_for_sections(used_in: Sequence[tuple[int, float]], sections: Sections, excess: float) -> float | None:
    """When so much has left the window, in steady time; None where that is more than there is. `used_in` has sections
    in ascending order, with what is used in each."""
    width, count = sections
    for section, amount in used_in:
        excess -= amount
        if excess <= 0:
            return (section + count + 1) * width
    return None


def last_section_ends(used_in: Sequence[tuple[int, float]], sections: Sections) -> float:
    """When all has left the window, in steady time; 0 where nothing is in it."""
    width, count = sections
    return max(((section + count + 1) * width for section, amount in used_in if amount), default=0.0)

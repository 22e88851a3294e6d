"""What tests of limits are made with: rules of one key and its team, and clocks that are moved by hand."""

from collections.abc import Sequence

from app.quotas import Rules, rules_of
from app.settings import Budget, Entitlement, Key, Limits, Settings, Team, digest_of

CALLER = "key:ada"
NOON = 1_796_040_000.0
"""30 November 2026, 12:00 UTC."""


class Clocks:
    """An even clock and a wall clock."""

    def __init__(self, wall: float = NOON) -> None:
        self.even_time = 1_000.0
        self.wall_time = wall

    def even(self) -> float:
        return self.even_time

    def wall(self) -> float:
        return self.wall_time

    def advance(self, seconds: float) -> None:
        self.even_time += seconds
        self.wall_time += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock alone."""
        self.wall_time += seconds


def rules(
    limits: Limits | None = None,
    budgets: Sequence[Budget] = (),
    team_limits: Limits | None = None,
    team_budgets: Sequence[Budget] = (),
    names: Sequence[str] = ("ada",),
) -> Rules:
    """Keys with the same limits, all of the team `engine`."""
    entitlement = Entitlement(limits=limits or Limits(), budgets=tuple(budgets))
    keys = tuple(Key(digest_of(name), name, team="engine", entitlement=entitlement) for name in names)
    return rules_of(Settings(keys=keys, teams={"engine": Team(team_limits or Limits(), tuple(team_budgets))}))

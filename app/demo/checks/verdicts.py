"""What Flowspan promises, each one checked against evidence: pure, and every check is able to fail.

A check gives None where the promise was kept, else what was found instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.demo.checks.accounting import ACCOUNTING
from app.demo.checks.evidence import Evidence
from app.demo.checks.faults import FAULTS
from app.demo.checks.traffic import TRAFFIC

Check = Callable[[Evidence], str | None]
CHECKS: tuple[tuple[str, Check], ...] = (*TRAFFIC, *FAULTS, *ACCOUNTING)


@dataclass(frozen=True)
class Verdict:
    promise: str
    broken: str | None

    @property
    def kept(self) -> bool:
        return self.broken is None


def exit_status(verdicts: Sequence[Verdict]) -> int:
    return 0 if all(verdict.kept for verdict in verdicts) else 1


def judge(evidence: Evidence) -> list[Verdict]:
    return [Verdict(promise, check(evidence)) for promise, check in CHECKS]

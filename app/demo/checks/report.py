"""What the bounded run prints: a waterfall, the outcomes from three sides, the breakers' history, the promises."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.demo.checks.evidence import Evidence
from app.demo.checks.verdicts import Verdict
from app.demo.view.waterfall import waterfall
from telemetry.names import OUTCOMES

SHOWCASE = "slow reader"
"""Title of the call whose waterfall is printed: a redacted stream that filled its queues."""
_STATES = {"closed": "green", "half_open": "yellow", "open": "red"}


def print_report(console: Console, evidence: Evidence, verdicts: Sequence[Verdict], seconds: float) -> None:
    _heading(console, "One transaction: a redacted stream, read slowly")
    for line in _showcase(evidence, console.width):
        console.print(line)
    _heading(console, f"{len(evidence.observations)} requests in {seconds:.1f} s, and how they ended")
    console.print(_outcomes(evidence))
    _heading(console, "Breakers")
    for line in _history(evidence):
        console.print(line)
    _heading(console, "Promises")
    for verdict in verdicts:
        console.print(_line(verdict))
    console.print()
    console.print(summary(verdicts))


def summary(verdicts: Sequence[Verdict]) -> Text:
    broken = [verdict.promise for verdict in verdicts if not verdict.kept]
    if broken:
        return Text(f"{len(broken)} of {len(verdicts)} promises broken: {'; '.join(broken)}.", "bold red")
    return Text(f"All {len(verdicts)} promises kept.", "bold green")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold underline"))
    console.print()


def _showcase(evidence: Evidence, width: int) -> Sequence[Text]:
    for observation in evidence.of(SHOWCASE):
        if trace := evidence.trace(observation):
            return waterfall(trace, width)
    return [Text("There is no trace to show.", "red")]


def _outcomes(evidence: Evidence) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("outcome")
    for side in ("clients saw", "traces say", "/metrics says"):
        table.add_column(side, justify="right")
    sides = (evidence.outcomes_of_clients, evidence.outcomes_of_traces, evidence.scrape.outcomes)
    for outcome in OUTCOMES:
        counts = [side[outcome] for side in sides]
        if any(counts):
            table.add_row(outcome, *map(str, counts), style="" if len(set(counts)) == 1 else "red")
    table.add_row("in all", *(str(side.total()) for side in sides), style="bold")
    return table


def _history(evidence: Evidence) -> Iterator[Text]:
    if not evidence.changes:
        yield Text("No breaker changed its state.")
    began_ns = min((observation.began_ns for observation in evidence.observations), default=0)
    for change in evidence.changes:
        yield Text.assemble(
            f"{(change.at_ns - began_ns) / 1e9:6.2f} s  {change.breaker:<12} ",
            (change.from_state.replace("_", "-"), _STATES.get(change.from_state, "")),
            " -> ",
            (change.to_state.replace("_", "-"), _STATES.get(change.to_state, "")),
            (f"  {change.reason.replace('_', ' ')}", "dim"),
        )


def _line(verdict: Verdict) -> Text:
    if verdict.kept:
        return Text.assemble(("✓ ", "green"), verdict.promise)
    return Text.assemble(("✗ ", "bold red"), verdict.promise, (f"\n  {verdict.broken}", "red"))

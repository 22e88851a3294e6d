"""`flowspan demo`: the real gateway with simulated models and real traffic, watched live or run once and judged.

gateway/   the gateway in a thread; its scenario of models and faults; its spans (`traces`) and log lines caught
clients/   what they ask (`calls`) over HTTP (`client`), what they make of answers (`transcript`), for ever (`traffic`)
view/      what a terminal shows: live, by `app.live_view`, or one transaction as a waterfall
checks/    an acceptance test that is shipped: a bounded run (`incident`), its evidence, what is promised, a report
"""

import asyncio
from time import monotonic

from rich.console import Console

from app.demo.checks.incident import run_incident
from app.demo.checks.report import print_report
from app.demo.checks.verdicts import exit_status, judge
from app.demo.view.live import run_live
from app.live_view.terminal import make_console

__all__ = ["run_demo"]


def run_demo(once: bool) -> int:
    """The exit status: 0, or 1 where `once` found a promise broken."""
    console = make_console()
    return _once(console) if once else asyncio.run(run_live(console))


def _once(console: Console) -> int:
    console.print("Running one scripted incident through a real gateway, without key or network ...")
    began = monotonic()
    evidence = asyncio.run(run_incident())
    verdicts = judge(evidence)
    print_report(console, evidence, verdicts, monotonic() - began)
    return exit_status(verdicts)

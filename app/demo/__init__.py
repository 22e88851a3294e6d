"""`flowspan demo`: the real gateway with simulated models and real traffic, watched live or run once and judged.

cast, calls         the models with their faults; what clients ask
running             the gateway in a thread, its telemetry caught by `collected` (spans) and `log_tail` (moments)
client, heard       HTTP clients, and what they make of what they get
incident            the bounded run -> evidence; `promises` judges it, `report` and `waterfall` print it
traffic             clients for ever; `live` shows them on `screen`, or a line a second where there is no terminal
"""

import asyncio
import sys
from io import TextIOWrapper
from time import monotonic

from rich.console import Console

from app.demo.incident import run_incident
from app.demo.live import run_live
from app.demo.promises import exit_status, judge
from app.demo.report import print_report

__all__ = ["run_demo"]


def run_demo(once: bool) -> int:
    """The exit status: 0, or 1 where `once` found a promise broken."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    return _once(console) if once else asyncio.run(run_live(console))


def _once(console: Console) -> int:
    console.print("Running one scripted incident through a real gateway, without key or network ...")
    began = monotonic()
    evidence = asyncio.run(run_incident())
    verdicts = judge(evidence)
    print_report(console, evidence, verdicts, monotonic() - began)
    return exit_status(verdicts)

"""The committed rules and routes, sixty times as fast: minutes become seconds, and nothing else changes.

A window is never shorter than a rate needs: it has to hold several scrapes. And a rule on `up`, which waits for so many
scrapes to fail in a row, waits for as many here: a scrape has a second and not ten, which a busy machine may overrun
once and again without a gateway that is gone.
"""

import re
from copy import deepcopy
from typing import Any

FACTOR = 60
SHORTEST_WINDOW = 5
"""Seconds, at one scrape a second."""
SCRAPE_INTERVAL = 15
"""Seconds between two scrapes in the committed configuration."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+)([smhdw])")
_UP = re.compile(r"\bup\{")
_TIMES = ("group_wait", "group_interval", "repeat_interval")


def fast_rules(rules: dict[str, Any], factor: int = FACTOR) -> dict[str, Any]:
    """A rule file as it is loaded, with its `for`, its intervals, its windows and offsets divided by `factor`."""
    made = deepcopy(rules)
    for group in made["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = _shorter(rule["for"], SCRAPE_INTERVAL if _UP.search(rule["expr"]) else factor)
            rule["expr"] = _fast_expression(rule["expr"], factor)
    return made


def fast_routes(config: dict[str, Any], webhook: str, factor: int = FACTOR) -> dict[str, Any]:
    """An Alertmanager configuration, with every receiver telling `webhook`."""
    made = deepcopy(config)
    _hurry(made["route"], factor)
    for receiver in made["receivers"]:
        url = f"{webhook}/{receiver['name']}"
        receiver["webhook_configs"] = [{"url": url, "send_resolved": True}]
    return made


def _hurry(route: dict[str, Any], factor: int) -> None:
    for key in _TIMES:
        if key in route:
            route[key] = _shorter(route[key], factor, least=1)
    for child in route.get("routes", ()):
        _hurry(child, factor)


def _fast_expression(text: str, factor: int) -> str:
    text = re.sub(r"\[(\w+)\]", lambda found: f"[{_shorter(found[1], factor, SHORTEST_WINDOW)}]", text)
    return re.sub(r"offset (\w+)", lambda found: f"offset {_shorter(found[1], factor)}", text)


def _shorter(duration: str, factor: int, least: int = 0) -> str:
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _DURATION.findall(duration))
    return f"{max(least, round(seconds / factor))}s"

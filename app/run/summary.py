"""What a session with models came to, as text for people."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.figures import counted, duration
from app.run.recorded import Recorded
from telemetry.names import GATEWAY_SHARE, Outcome
from telemetry.redact import printable

_NOTHING = Recorded()
_MOST = 6
"""Models, tools and failures that are named; of more, how many there are."""
_FAILURES: dict[Outcome, str] = {
    "client_error": "refused",
    "policy_blocked": "blocked by a policy",
    "rate_limited": "beyond a limit of its key",
    "upstream_error": "the provider failed",
    "timeout": "timed out",
    "overflow": "the program did not read its answer",
    "overloaded": "the gateway had enough in hand",
    "breaker_open": "the provider failed too often to be asked",
    "client_disconnect": "the program left before the end",
    "drained": "cut off by the end of the run",
    "internal_error": "the gateway failed",
}


@dataclass
class Totals:
    """Sums over the access lines of a session. Times are in seconds."""

    requests: int = 0
    models: Counter[str] = field(default_factory=Counter)
    conversations: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    tokens: Counter[str] = field(default_factory=Counter)
    estimated: bool = False
    cost_usd: float | None = None
    time: Counter[str] = field(default_factory=Counter)
    slowest: Mapping[str, Any] | None = None
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, line: Mapping[str, Any]) -> None:
        """Count one transaction, by the fields of its access line."""
        self.requests += 1
        self.models[str(line.get("asked_model") or line.get("model"))] += 1
        if (conversation := line.get("conversation")) is not None:
            self.conversations.add(str(conversation))
        if (agent := line.get("agent")) is not None:
            self.agents.add(str(agent))
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
            self.tokens[name] += int(line.get(name) or 0)
        self.estimated = self.estimated or bool(line.get("usage_estimated"))
        if (cost := line.get("cost_usd")) is not None:
            self.cost_usd = (self.cost_usd or 0.0) + float(cost)
        self.time.update(line.get("time") or {})
        if self.slowest is None or line["duration_s"] > self.slowest["duration_s"]:
            self.slowest = line
        if line["outcome"] != "ok":
            self.failures[_failure(line)] += 1


def _failure(line: Mapping[str, Any]) -> str:
    """A sentence on what went wrong, without anything that differs from one time to the next."""
    outcome, status, kind = line["outcome"], line.get("status"), line.get("error_type")
    text = _FAILURES.get(outcome, str(outcome))
    detail = ", ".join(str(one) for one in (status, kind) if one and one not in (outcome, 200))
    return f"{text} ({detail})" if detail else text


def summary(program: str, seconds: float, totals: Totals, recorded: Recorded = _NOTHING) -> str:
    """The text, of several lines, without the last line's end."""
    head = f"{program} ran for {duration(seconds)}"
    if not totals.requests:
        return f"{head} and asked no model through the gateway."
    asked = counted(totals.requests, "request")
    if totals.conversations:
        asked += f" in {counted(len(totals.conversations), 'conversation')}"
    if len(totals.agents) > 1:
        asked += f" of {len(totals.agents)} agents"
    return "\n".join(
        [f"{head}: {asked}", *(f"  {name:<8} {printable(text)}" for name, text in _rows(totals, recorded))]
    )


def _rows(totals: Totals, recorded: Recorded) -> Iterator[tuple[str, str]]:
    yield "models", _named(totals.models)
    if recorded.tools:
        of = "" if recorded.read is None else f" (in the last {counted(recorded.read, 'answer')})"
        yield "tools", f"{_named(Counter(recorded.tools))}{of}"
    if totals.tokens["input_tokens"] or totals.tokens["output_tokens"]:
        yield "tokens", _tokens(totals)
    yield "cost", "not known" if totals.cost_usd is None else f"${totals.cost_usd:.4f}"
    yield "time", _time(totals.time)
    if (slowest := totals.slowest) is not None and totals.requests > 1:
        first = slowest.get("ttft_s")
        began = "" if first is None else f", its first token after {duration(first)}"
        yield "slowest", f"{slowest.get('asked_model') or slowest['model']}: {duration(slowest['duration_s'])}{began}"
    for index, (text, count) in enumerate(totals.failures.most_common(_MOST)):
        yield "" if index else "failed", f"{count} x {text}"
    for text in recorded.failures:
        yield "", text


def _tokens(totals: Totals) -> str:
    tokens = totals.tokens
    named = (("cache_read_tokens", "read from"), ("cache_write_tokens", "written to"))
    shares = [f"{tokens[name] / tokens['input_tokens']:.0%} {what}" for name, what in named if tokens[name]]
    cached = f" ({', '.join(shares)} the cache)" if shares else ""
    about = "about " if totals.estimated else ""
    return f"{about}{tokens['input_tokens']:,} in{cached}, {tokens['output_tokens']:,} out"


def _time(time: Mapping[str, float]) -> str:
    """Who was waited for."""
    shares = {
        "provider": time.get("upstream", 0.0),
        "gateway": sum(time.get(where, 0.0) for where in GATEWAY_SHARE),
        "program": time.get("client", 0.0),
    }
    return ", ".join(f"{who} {duration(seconds)}" for who, seconds in shares.items())


def _named(counts: Counter[str]) -> str:
    named = ", ".join(f"{name} {count}" for name, count in counts.most_common(_MOST))
    return named if len(counts) <= _MOST else f"{named}, and {len(counts) - _MOST} more"

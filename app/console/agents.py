"""The agents of one conversation as a tree: who was called by whom, and what each has cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.recorder.recording import Entry
from telemetry.names import NOT_A_FAULT


@dataclass
class Agent:
    """One agent; the main one, which has no id, has an empty name."""

    name: str
    parent: str | None
    title: str
    depth: int = 0
    turns: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    models: list[str] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        self.turns += 1
        self.failures += entry.outcome not in NOT_A_FAULT
        if entry.tokens is not None:
            self.input_tokens += entry.tokens.input + entry.tokens.cache_read + entry.tokens.cache_write
            self.output_tokens += entry.tokens.output + entry.tokens.reasoning
        if entry.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + entry.cost_usd
        if entry.model not in self.models:
            self.models.append(entry.model)


def agent_tree(entries: Sequence[Entry]) -> list[Agent]:
    """The agents of a conversation's transactions, each behind the one that called it, in the order in which they first
    spoke. One whose parent is unknown, or stands below itself, stands at the top."""
    agents: dict[str, Agent] = {}
    for entry in sorted(entries, key=lambda one: one.started_at):
        name = entry.agent or ""
        agents.setdefault(name, Agent(name, entry.parent_agent, entry.title)).add(entry)
    children: dict[str | None, list[Agent]] = {}
    for agent in agents.values():
        children.setdefault(_parent(agent, agents), []).append(agent)
    ordered: list[Agent] = []
    waiting = [(agent, 0) for agent in reversed(children.get(None, []))]
    while waiting:
        agent, agent.depth = waiting.pop()
        ordered.append(agent)
        waiting += [(child, agent.depth + 1) for child in reversed(children.get(agent.name, []))]
    return ordered


def _parent(agent: Agent, agents: dict[str, Agent]) -> str | None:
    """The agent under which it stands; None for the top. One that names no parent stands under the main one."""
    if agent.parent is None:
        return "" if agent.name and "" in agents else None
    above: str | None = agent.parent
    seen = {agent.name}
    while above is not None and above in agents and above not in seen:
        seen.add(above)
        above = agents[above].parent
    stands_below_itself = above in seen
    return None if stands_below_itself or agent.parent not in agents else agent.parent

"""Random requests: what is asked, what the provider answers, how the client behaves. The same seed, the same mix."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, ask
from tests.lab.clients import ORDINARY, Leaves, Manner, request
from tests.lab.faults import Bandwidth, Blackhole, Fault, HalfClose, Latency, LimitData, ResetPeer, Slicer, SlowClose
from tests.lab.provider import Ending, PlannedAnswer
from tests.lab.proxy import Link

COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
PATHS = (CHAT, MESSAGES, RESPONSES, COMPLETIONS, EMBEDDINGS, COUNT)
SCRIPTED = ("oai", "ant", "res")
FAR = ("far-oai", "far-ant", "far-res")
"""The scripted models by way of a proxy with faults."""
SIMULATED = (
    "echo",
    "lorem-30",
    "lorem-3000",
    "lorem-40+pace-2",
    "thinking+tools-2",
    "refusal",
    "empty",
    "cut-3",
    "status-503",
    "status-429+retry-after-0.1",
    "stall-2",
    "error-event-2",
    "disconnect-2",
)
_WORDS = ("one", " two", " three", " größer", " 🌷", " 4711", "\n", " a@example.org", " 12", "'s")


@dataclass(frozen=True)
class Plan:
    """One request. `broken` is a body that is no request at all; its sender gets an error."""

    number: int
    path: str
    model: str
    stream: bool = False
    wish: str = ""
    """What the policy is to do: raises, blocks, dawdles, hangs."""
    answer: PlannedAnswer = field(default_factory=PlannedAnswer)
    manner: Manner = ORDINARY
    broken: bytes | None = None

    @property
    def data(self) -> bytes:
        return request(self.path, self.broken if self.broken is not None else self.body)

    @property
    def body(self) -> dict[str, Any]:
        text = f"plan {self.number}" + (f" policy: {self.wish}" if self.wish else "")
        stream = {"stream": True} if self.stream else {}
        if self.path == COMPLETIONS:
            return {"model": self.model, "prompt": text, **stream}
        if self.path == EMBEDDINGS:
            return {"model": self.model, "input": text}
        return ask(self.model, self.path, text, **stream)


def mix(seed: int, count: int, models: Sequence[str] = (*SCRIPTED, *FAR, *SIMULATED), first: int = 1000) -> list[Plan]:
    """Numbered from `first` on, so that no two plans of one storm have the same number."""
    rng = Random(seed)
    return [_plan(rng, number, models) for number in range(first, first + count)]


def plain(model: str, number: int = 0) -> Plan:
    """What nothing stands in the way of."""
    path = {"ant": MESSAGES, "res": RESPONSES}.get(model.removeprefix("far-"), CHAT)
    return Plan(number, path, model)


def _plan(rng: Random, number: int, models: Sequence[str]) -> Plan:
    path = rng.choice((*PATHS, CHAT, MESSAGES, RESPONSES))
    return Plan(
        number,
        path,
        rng.choice(models),
        stream=path not in (EMBEDDINGS, COUNT) and rng.random() < 0.7,
        wish=rng.choice(("raises", "blocks", "dawdles", "hangs")) if rng.random() < 0.15 else "",
        answer=_answer(rng),
        manner=_manner(rng) if rng.random() < 0.4 else ORDINARY,
        broken=_broken(rng) if rng.random() < 0.05 else None,
    )


def _answer(rng: Random) -> PlannedAnswer:
    words = tuple(rng.choice(_WORDS) for _ in range(rng.choice((0, 1, 5, 40, 400))))
    healthy = rng.random() < 0.6
    endings: tuple[Ending, ...] = ("proper", "fin", "rst", "stall", "error_event", "garbage", "giant")
    return PlannedAnswer(
        words,
        input_tokens=rng.randint(1, 5000),
        output_tokens=rng.randint(1, 5000),
        status=200 if healthy or rng.random() < 0.7 else rng.choice((400, 401, 404, 408, 413, 422, 429, 500, 503, 529)),
        ending="proper" if healthy else rng.choice(endings),
        events=rng.choice((0, 1, 2, 3, 7)),
        pause=rng.choice((0, 0, 0, 0.02, 0.1)),
        piece=rng.choice((0, 0, 0, 1, 7, 1000)) if len(words) < 100 else 0,
    )


def _manner(rng: Random) -> Manner:
    match rng.randrange(7):
        case 0:
            return Manner(send_piece=rng.choice((1, 7)), send_pause=0.0005)
        case 1:
            return Manner(read_piece=rng.choice((50, 500)), receive_buffer=4096)
        case 2:
            return Manner(stall=rng.choice((0.05, 0.3)), receive_buffer=4096)
        case 3:
            return Manner(stall=1.0, receive_buffer=2048)
        case 4:
            return Manner(half_closes=True)
        case _:
            moments: tuple[Leaves, ...] = ("in_request", "before_answer", "at_head", "in_answer")
            return Manner(leaves=rng.choice(moments), how=rng.choice(("close", "reset")))


def _broken(rng: Random) -> bytes:
    deep = b"[" * 300 + b"]" * 300
    many: tuple[bytes, ...] = (
        b"",
        b"not json",
        b'{"model": "echo"',
        b"[]",
        b'{"model": "nobody", "max_tokens": 5, "input": "x", "prompt": "x", "messages": []}',
        b'{"model": 5}',
        b'{"model": "echo", "messages": ' + deep + b"}",
        b'{"model": "echo", "messages": "x", "input": 5, "prompt": {}}',
        json.dumps({"model": "echo", "messages": [{"role": "user", "content": "x" * 1_100_000}]}).encode(),
        b"\xff\xfe{}",
    )
    return rng.choice(many)


def links(seed: int) -> list[Link]:
    """Connections of a bad network, one after the other; two thirds have nothing wrong."""
    rng = Random(seed)
    return [_link(rng) for _ in range(500)]


def _link(rng: Random) -> Link:
    if rng.random() < 0.6:
        return Link()
    at = rng.choice((0, 50, 300, 2000))
    faults: tuple[Fault, ...] = (
        Latency(0.05),
        Bandwidth(50_000),
        Slicer(1),
        Slicer(100, 0.001),
        LimitData(at),
        ResetPeer(at),
        HalfClose(at),
        Blackhole(at),
        SlowClose(0.05),
    )
    some = tuple(rng.sample(faults, rng.choice((1, 1, 2))))
    if rng.random() < 0.15:
        return Link(refused=True)
    return Link(down=some) if rng.random() < 0.7 else Link(up=some)

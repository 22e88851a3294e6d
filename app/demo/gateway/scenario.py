"""The demo's gateway: simulated models with their texts and faults, the redact policy, queues small enough to fill.

Every fault is one that real providers have. `RUN_ONCE` meets each of them once, `FOR_EVER` again and again.
"""

from dataclasses import dataclass
from typing import Any

from app.settings import (
    BreakerSettings,
    ConsoleSettings,
    Deployment,
    PipelineSettings,
    PolicySpec,
    QueueBreakerSettings,
    RecorderSettings,
    RouterSettings,
    Seconds,
    ServerSettings,
    Settings,
    TelemetrySettings,
    UpstreamBreakerSettings,
)

QUEUE_ITEMS = 16
PUT_TIMEOUT = 4.0
"""Seconds after which a client that reads nothing loses its stream."""
COOLDOWN = 2.0
TRIPS_AFTER = 3
"""Failures in a row that open a deployment's breaker."""
FLAKY = "flaky-east"
"""The deployment that fails and recovers."""

SECRETS = {
    "[EMAIL]": "grace.hopper@example.com",
    "[PHONE]": "+1 (415) 555-0123",
    "[CARD]": "4111 1111 1111 1111",
}
"""What the redact policy puts in place of what the simulated models let slip."""

PLAIN = (
    "A stream is a promise kept in pieces. Each piece leaves the model, passes the policies, waits its turn in a queue "
    "and goes out in the caller's own dialect, and at every moment exactly one of these owns the time."
)
THOUGHT = "The caller asks for a summary. I weigh what matters, drop what does not, and keep the order of events."
_LEAK = "Write to [EMAIL] or call [PHONE]; the card on file is [CARD], please keep it to yourself. "
CONTACTS = f"Here is what I found. {_LEAK}Anything else?"
ARCHIVE = " ".join(
    f"Page {page:03d}. " + (_LEAK if page % 40 == 7 else f"{PLAIN[: 60 + page % 30]}.") for page in range(1, 1901)
)
"""`CONTACTS` and `ARCHIVE` are as a client must get them: redacted."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong where, as words of a simulated model's name."""

    flaky: str
    title: str
    records: bool = False
    """Whether what is said is kept, for the console's pages."""


RUN_ONCE = Faults(flaky=f"status-503+first-{TRIPS_AFTER}", title="one scripted incident")
FOR_EVER = Faults(flaky="status-503+rate-60", title="until you stop it", records=True)


def unredacted(text: str) -> str:
    for placeholder, secret in SECRETS.items():
        text = text.replace(placeholder, secret)
    return text


def settings(faults: Faults) -> Settings:
    return Settings(
        deployments=_deployments(faults),
        console=ConsoleSettings(port=0),
        server=ServerSettings(port=0, metrics_port=0, lame_duck=Seconds(0), drain_timeout=Seconds(1)),
        pipeline=PipelineSettings(queue_items=QUEUE_ITEMS, put_timeout=Seconds(PUT_TIMEOUT)),
        breakers=BreakerSettings(
            queue=QueueBreakerSettings(threshold=4, window=Seconds(30), cooldown=Seconds(5)),
            upstream=UpstreamBreakerSettings(threshold=TRIPS_AFTER, cooldown=Seconds(COOLDOWN)),
        ),
        policies=(PolicySpec(use="redact", config={"patterns": ["email", "phone", "card"]}),),
        router=RouterSettings(num_retries=1, fallbacks={"fragile": ("chat",)}),
        telemetry=TelemetrySettings(boundary_events="both"),
        recorder=RecorderSettings(store="memory" if faults.records else "off"),
    )


def _deployments(faults: Faults) -> tuple[Deployment, ...]:
    return (
        _deployment("chat", delay=0.012, first_delay=0.1, texts=[PLAIN]),
        _deployment("thinker", delay=0.01, thinking=THOUGHT, texts=[PLAIN]),
        _deployment("tools", "tools", delay=0.03, first_delay=0.1),
        # Pieces of seven characters cut every address and number in two, at least.
        _deployment("contacts", delay=0.015, chunk_size=7, texts=[unredacted(CONTACTS)]),
        _deployment("archive", first_delay=0.25, delay=0.001, chunk_size=400, texts=[unredacted(ARCHIVE)]),
        _deployment("flaky", faults.flaky, FLAKY, texts=[PLAIN], delay=0.002),
        _deployment("flaky", "lorem", "flaky-west", order=2, texts=[PLAIN], delay=0.002),
        _deployment("fragile", "status-503"),
        _deployment("down", "status-500"),
        _deployment("severed", "cut-6", delay=0.02, texts=[PLAIN]),
    )


def _deployment(name: str, words: str = "lorem", id: str | None = None, order: int = 1, **params: Any) -> Deployment:
    return Deployment(
        id=id or name,
        model_name=name,
        model=f"simulated/{words}",
        provider="simulated",
        backend="simulated",
        params=params,
        order=order,
    )

"""The page docs/upstream-statuses.md: the table is what the gateway does with each status, not what its source says.

`python -m tests.unit.backends.status_page` writes the table anew.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.backends.attempts import AttemptControl
from app.backends.direct.errors import status_error
from app.backends.router import Router
from app.dialects.anthropic_messages.errors import render_error as anthropic_error
from app.dialects.openai_chat.errors import render_error as openai_error
from app.errors import BackendError, UpstreamFailed
from app.settings import Deployment, RouterSettings, UpstreamBreakerSettings
from app.upstream_statuses import LISTED, Fault
from tests.support import run
from tests.unit.backends.fakes import ANSWER, Clock, FakeObservability, ScriptedBackend, all_of, ask

PAGE = Path(__file__).parents[3] / "docs" / "upstream-statuses.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEADER = "| status | whose fault | same dialect | OpenAI's | Anthropic's | another is asked | asked again | counted |"


class Row(NamedTuple):
    """What becomes of a request whose deployment answers with one status."""

    fault: Fault
    same_dialect: int
    """What a client reads whose dialect is the provider's."""
    openai: int
    anthropic: int
    another_asked: bool
    asked_again: bool
    counted: bool


def row(status: int) -> Row:
    """Ask a direct provider that answers so, through the router, its breakers and the dialects' errors."""
    error = status_error(status, b'{"error": {"message": "no"}}', {}, str)
    translated = status_error(status, b'{"message": "no"}', {}, str)
    retried = _asked(error, "a", RouterSettings(num_retries=1))
    return Row(
        _fault(error),
        openai_error(error, "").status,
        openai_error(translated, "").status,
        anthropic_error(translated, "").status,
        another_asked=_asked(error, "ab", RouterSettings(num_retries=1)).tried == ["a", "b"],
        asked_again=retried.tried == ["a", "a"],
        counted=bool(_asked(error, "a", RouterSettings(num_retries=0)).breakers.transitions),
    )


def _fault(error: BackendError) -> Fault:
    """By what the caller gets to know."""
    if error.outcome == "client_error":
        return "caller"
    return "credentials" if "credentials" in error.message else "provider"


def _asked(error: BackendError, deployments: str, settings: RouterSettings) -> FakeObservability:
    """A request to deployments of which the first always answers with the error, and the others well."""
    clock, obs = Clock(), FakeObservability()
    threshold = 1 if settings.num_retries == 0 else 100
    backends = {name: ScriptedBackend([error] if name == "a" else ANSWER) for name in deployments}
    router = Router(
        [Deployment(id=name, model_name="m", model=f"x/{name}", provider="x", order=ord(name)) for name in deployments],
        settings,
        control=AttemptControl(UpstreamBreakerSettings(threshold=threshold), clock, draw=lambda: 0.5),
        make_backend=lambda deployment: backends[deployment.id],
        clock=clock,
        sleep=clock.sleep,
    )

    async def stream() -> None:
        with suppress(UpstreamFailed):
            await all_of(await router.open(ask(), obs))

    run(stream())
    return obs


def table() -> str:
    """Markdown: the listed statuses, then one row for all others of each class."""
    found = [(str(status), row(status)) for status in LISTED] + [("other 4xx", row(499)), ("other 5xx", row(599))]
    lines = [HEADER, "| --- " * len(HEADER.strip("|").split("|")) + "|"]
    for status, one in found:
        flags = " | ".join("yes" if flag else "no" for flag in (one.another_asked, one.asked_again, one.counted))
        lines.append(f"| {status} | {one.fault} | {one.same_dialect} | {one.openai} | {one.anthropic} | {flags} |")
    return "\n".join(lines)


def page() -> str:
    """The page as it should be."""
    written = PAGE.read_text()
    before, _, rest = written.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())

"""`flowspan replay`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from app.cli.files import reading, stop, write
from app.cli.recordings import find_recordings, takes_recordings

if TYPE_CHECKING:
    from app.configuration import Configuration
    from app.recorder.recording import Recording
    from app.replay.comparison import Comparison
    from app.replay.engine import Replayed
    from app.settings import PolicySpec, Settings

_SIGNS = {"same": "  ", "added": "+ ", "removed": "- "}
_COLOURS = {"added": "green", "removed": "red"}
_DIFFERENCES = 20
_IN_OTHER_EVENTS = "The client reads the same, in other events."


@click.command()
@takes_recordings
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="POLICY",
    help="A policy, in order: redact, package.module:Class, ./file.py:Class, or a YAML file with gateway.policies.",
)
@click.option("--to", "model", metavar="MODEL", help="Ask this model of --config now, instead of the recorded answer.")
@click.option(
    "--speed", type=click.FloatRange(min=0), default=0.0, help="1 as fast as it came; 0, the default, at once."
)
@click.option(
    "-o", "--output", metavar="FILE", help="Write what came of it as a bundle, to compare later replays with."
)
@click.option("--anyway", is_flag=True, help="Give the recorded answer also to a request that is not the recorded one.")
def replay(
    target: str,
    conversation: bool,
    store: str | None,
    config: str | None,
    console: str | None,
    policies: tuple[str, ...],
    model: str | None,
    speed: float,
    output: str | None,
    anyway: bool,
) -> None:
    """Give a recorded request and its recorded answer to the pipeline once more, and say what is different.

    TARGET is a bundle's file, or the id of a transaction (x-request-id). The policies are those of --policy, else of
    --config, else none. Exit status: 0 the client gets the same, 1 it does not, 2 it could not be replayed.
    """
    if model is not None and config is None:
        stop("--to needs the configuration that has the model: --config FILE")
    from app.recorder.bundles import encode_bundle

    recordings = find_recordings(target, conversation, store, None if Path(target).is_file() else config, console)
    settings = _with_policies(_settings(config), policies)
    replays = [(recording, _replayed(recording, settings, model, speed, anyway)) for recording in recordings]
    same = [_is_same(recording, again, anyway) for recording, again in replays]
    if output is not None:
        write(output, encode_bundle([again.recording for _, again in replays]))
    sys.exit(0 if all(same) else 1)


def _replayed(
    recording: "Recording", settings: "Settings", model: str | None, speed: float, anyway: bool
) -> "Replayed":
    from app.backends.replay import NotReplayable
    from app.errors import legible
    from app.policies import PolicyNotLoadable
    from app.replay import engine

    try:
        if model is None:
            return engine.replay(recording, settings, speed=speed, anyway=anyway)
        return engine.replay_to(recording, settings, model)
    except NotReplayable as error:
        stop(legible(str(error), 500))
    except PolicyNotLoadable as error:
        stop(f"a policy cannot be loaded: {error}")


def _is_same(recording: "Recording", replayed: "Replayed", anyway: bool) -> bool:
    """Print what came of a replay. Whether it is the same as then."""
    from app.replay.comparison import compare

    comparison = compare(recording, replayed.recording)
    for line in _report(recording, replayed, comparison, anyway):
        click.echo(line)
    return comparison.is_same and not replayed.differences


def _report(recording: "Recording", replayed: "Replayed", comparison: "Comparison", anyway: bool) -> Iterator[str]:
    from app.errors import legible

    yield click.style(legible(recording.entry.transaction_id), bold=True)
    if recording.concealed:
        by = legible(", ".join(recording.concealed))
        yield f"  It was recorded with masks, by {by}; they are replayed as they are."
    if replayed.differences:
        yield from _changed_request(replayed, anyway)
        if not anyway:
            return
    for name, (then, now) in (
        ("outcome", comparison.outcomes),
        ("status", comparison.statuses),
        ("events", comparison.events),
        ("bytes", comparison.bytes),
    ):
        yield f"  {name:8} {then}" if then == now else f"  {name:8} {then} -> " + click.style(str(now), fg="yellow")
    yield from _interventions(recording, replayed)
    yield from _difference(comparison)
    yield f"  {_verdict(comparison)}"


def _changed_request(replayed: "Replayed", anyway: bool) -> Iterator[str]:
    yield click.style("  The policies make another request of it than the one that was sent then:", fg="red")
    yield from (f"    {one}" for one in replayed.differences[:_DIFFERENCES])
    if (more := len(replayed.differences) - _DIFFERENCES) > 0:
        yield f"    and {more} more"
    if not anyway:
        yield "  The recorded answer is no answer to that. With --anyway it is replayed all the same."


def _interventions(recording: "Recording", replayed: "Replayed") -> Iterator[str]:
    from app.errors import legible

    both = recording.interventions, replayed.recording.interventions
    then, now = ([legible(f"{one.policy}: {one.decision}") for one in interventions] for interventions in both)
    if then or now:
        yield f"  policies {_counted(then)} -> {_counted(now)}" if then != now else f"  policies {_counted(now)}"


def _counted(decisions: Sequence[str]) -> str:
    counts = {one: decisions.count(one) for one in dict.fromkeys(decisions)}
    return ", ".join(one if count == 1 else f"{one} ({count} times)" for one, count in counts.items()) or "none"


def _difference(comparison: "Comparison") -> Iterator[str]:
    from app.errors import legible

    for line in comparison.lines:
        if line.kind == "gap":
            yield f"    ... {line.skipped} lines ..."
        else:
            text = f"    {_SIGNS[line.kind]}{legible(line.text, 2_000)}"
            yield click.style(text, fg=_COLOURS[line.kind]) if line.kind in _COLOURS else text


def _verdict(comparison: "Comparison") -> str:
    if not comparison.is_same:
        return "The client gets something else." if comparison.reads_otherwise else _IN_OTHER_EVENTS
    if comparison.are_equal:
        return "The client gets the same, byte for byte."
    if not comparison.are_alike:
        return "The client gets the same, as far as the masks of the recording let it be seen."
    return "The client gets the same, but for ids and times that the gateway makes."


def _settings(config: str | None) -> "Settings":
    from app.settings import Settings

    return Settings() if config is None else _read(config).settings


def _with_policies(settings: "Settings", policies: Sequence[str]) -> "Settings":
    return replace(settings, policies=tuple(_specs(policies))) if policies else settings


def _specs(policies: Sequence[str]) -> "Iterator[PolicySpec]":
    from app.policies import located
    from app.settings import PolicySpec

    for policy in policies:
        if policy.endswith((".yaml", ".yml")):
            yield from _read(policy).settings.policies
        else:
            yield located(PolicySpec(policy), Path())


def _read(file: str) -> "Configuration":
    from app.configuration import export, parse

    with reading(file):
        text = Path(file).read_text("utf-8-sig")
        # A file with policies alone is enough here.
        models = "" if "model_list" in text else "\nmodel_list: []\n"
        configuration = parse(text + models, file, needs_environment=False)
    export(configuration.environment)
    return configuration

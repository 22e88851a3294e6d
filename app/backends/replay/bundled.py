"""Deployments that serve a bundle: `simulated/replay:FILE`, with `+speed-NUMBER` behind it where times are divided."""

import re
from pathlib import Path
from typing import NamedTuple

from app.backends.direct import SharedResources
from app.backends.replay.backend import NotReplayable, ReplayBackend, Take, take_of
from app.recorder.bundles import BundleRefused, read_bundle
from app.settings import Deployment

PREFIX = "simulated/replay:"
BUNDLE = "bundle"
"""The parameter with the path of the file, where the deployment's model has it relative to the configuration's folder.
"""
_PARAMS = frozenset({BUNDLE, "api_key", "api_base", "rpm", "tpm"})
_NAME = re.compile(r"(?P<file>.+?)(?:\+speed-(?P<speed>\d+(?:\.\d+)?))?")


class _Served(NamedTuple):
    file: str
    speed: float


def file_of(model: str) -> str:
    """The file that a deployment's model names. Raises ValueError where it names none."""
    return _served(model).file


def validate_bundled(deployment: Deployment) -> None:
    """Raise ValueError, with a text for the operator, where the deployment could never serve."""
    if unknown := sorted(deployment.params.keys() - _PARAMS):
        raise ValueError(f"{', '.join(unknown)}: a model that serves recordings has no such parameters")
    _takes(deployment)


def make_bundled(deployment: Deployment, shared: SharedResources) -> ReplayBackend:
    return ReplayBackend(_takes(deployment), shared, speed=_served(deployment.model).speed)


def _served(model: str) -> _Served:
    match = _NAME.fullmatch(model.removeprefix(PREFIX))
    if match is None:
        raise ValueError(f"{model!r} names no bundle; expected something like {PREFIX}FILE.json")
    return _Served(match["file"], float(match["speed"] or 1))


def _takes(deployment: Deployment) -> list[Take]:
    file = Path(deployment.params.get(BUNDLE) or file_of(deployment.model))
    try:
        return [take_of(recording) for recording in read_bundle(file)]
    except (BundleRefused, NotReplayable) as error:
        raise ValueError(str(error)) from None

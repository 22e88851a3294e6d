"""`gateway.recorder`: a store that can be opened, and filters that let something through."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.util import find_spec

from app.backends.model_names import ModelNames, is_wildcard
from app.configuration.problems import Report
from app.conversion import Path, did_you_mean
from app.recorder.store_urls import read_store
from app.settings import RecorderSettings, Settings
from telemetry.names import NO_KEY, UNNAMED_KEY

_PATH: Path = ("gateway", "recorder")
_SMALLEST = 1024**2


def check_recorder(settings: Settings, report: Report, *, is_here: bool, keeps_content_out: bool) -> None:
    """Report what keeps the recorder from its work. `is_here`: the gateway is to run here, with what is there;
    `keeps_content_out`: another setting promises that no content is recorded."""
    recorder = settings.recorder
    try:
        url = read_store(recorder.store)
    except ValueError as error:
        report.problem((*_PATH, "store"), str(error))
        return
    if url.kind == "off":
        return
    if keeps_content_out:
        message = "records the content that litellm_settings.turn_off_message_logging keeps out of records"
        report.problem((*_PATH, "store"), message)
    if url.file is not None and is_here and not url.file.absolute().parent.is_dir():
        report.problem((*_PATH, "store"), f"the folder {url.file.absolute().parent} is not there")
    if url.kind == "postgresql" and is_here and find_spec("psycopg") is None:
        report.problem((*_PATH, "store"), "needs psycopg, which is not installed: pip install 'psycopg[binary]>=3.2'")
    _check_sizes(recorder, report)
    _check_keys(settings, report)
    _check_models(settings, report)


def _check_sizes(recorder: RecorderSettings, report: Report) -> None:
    for name in ("memory", "max_size"):
        if getattr(recorder, name) < _SMALLEST:
            report.problem((*_PATH, name), "must be at least 1 MiB")
    if recorder.backlog < recorder.recording_limit:
        message = "is less than recording_limit: the largest recordings are always lost"
        report.warning((*_PATH, "backlog"), message)
    if not recorder.sample:
        report.warning((*_PATH, "sample"), "nothing is recorded but what leads to failures")


def _check_keys(settings: Settings, report: Report) -> None:
    known = {key.name or UNNAMED_KEY for key in settings.keys} or {NO_KEY}
    for index, name in enumerate(settings.recorder.keys):
        if name not in known:
            message = f"no key has this name, so it lets nothing through{did_you_mean(name, known)}"
            report.warning((*_PATH, "keys", index), message)


def _check_models(settings: Settings, report: Report) -> None:
    names = ModelNames((one.model_name for one in settings.deployments), settings.router.aliases)
    if names.wildcards:
        return
    for index, pattern in enumerate(settings.recorder.models):
        if not _matches_any(pattern, names.listed()):
            message = f"no model has this name, so it lets nothing through{did_you_mean(pattern, names.listed())}"
            report.warning((*_PATH, "models", index), message)


def _matches_any(pattern: str, names: Iterable[str]) -> bool:
    if not is_wildcard(pattern):
        return pattern in names
    # Brackets and question marks stand for themselves here.
    escaped = "".join(f"[{each}]" if each in "[?" else each for each in pattern)
    return any(fnmatchcase(name, escaped) for name in names)
